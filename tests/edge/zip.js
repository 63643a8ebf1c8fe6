'use strict';
// Unpacks the zip of a function, with what Lambda would refuse refused: stored and deflated files only.
// The format is that of PKWARE's APPNOTE.TXT, sections 4.3.7 (local header), 4.3.12 (central directory)
// and 4.3.16 (its end).

const fs = require('node:fs');
const path = require('node:path');
const zlib = require('node:zlib');
const { UNZIPPED_BYTES } = require('./limits.js');

const END = 0x06054b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const END_SIZE = 22;
const LONGEST_COMMENT = 0xffff;
const STORED = 0;
const DEFLATED = 8;
const MADE_BY_UNIX = 3;
const FILE_TYPE = 0o170000;
const SYMBOLIC_LINK = 0o120000;
const READABLE_BY_OTHERS = 0o004;

/**
 * Writes the files of the zip `archive` (a Buffer) below `directory`.
 *
 * Throws an Error that says which entry is wrong: a path that leads out of the directory, a symbolic
 * link, a file that Lambda could not read, an unknown compression, wrong bytes, more than 250 MB.
 */
function unzip(archive, directory) {
  let total = 0;
  for (const entry of entries(archive)) {
    total += entry.size;
    if (total > UNZIPPED_BYTES) throw new Error(`the zip holds more than the ${UNZIPPED_BYTES} bytes that Lambda takes`);
    const target = path.join(directory, entry.name);
    if (entry.name.endsWith('/')) {
      fs.mkdirSync(target, { recursive: true });
      continue;
    }
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(target, contents(archive, entry));
  }
}

function* entries(archive) {
  const end = findEnd(archive);
  const count = archive.readUInt16LE(end + 10);
  let at = archive.readUInt32LE(end + 16);
  for (let index = 0; index < count; index += 1) {
    if (at + 46 > archive.length || archive.readUInt32LE(at) !== CENTRAL) throw new Error('the directory of the zip is broken');
    const lengths = [28, 30, 32].map((offset) => archive.readUInt16LE(at + offset));
    const entry = {
      name: archive.toString('utf8', at + 46, at + 46 + lengths[0]),
      madeBy: archive.readUInt8(at + 5),
      flags: archive.readUInt16LE(at + 8),
      method: archive.readUInt16LE(at + 10),
      checksum: archive.readUInt32LE(at + 16),
      packed: archive.readUInt32LE(at + 20),
      size: archive.readUInt32LE(at + 24),
      mode: archive.readUInt16LE(at + 40),
      offset: archive.readUInt32LE(at + 42),
    };
    check(entry);
    yield entry;
    at += 46 + lengths.reduce((sum, length) => sum + length, 0);
  }
}

function findEnd(archive) {
  const first = Math.max(0, archive.length - END_SIZE - LONGEST_COMMENT);
  for (let at = archive.length - END_SIZE; at >= first; at -= 1) {
    if (archive.readUInt32LE(at) === END) return at;
  }
  throw new Error('this is no zip: it has no end of a directory');
}

function check({ name, madeBy, flags, method, mode, packed, size }) {
  const wrong = (problem) => new Error(`the entry ${JSON.stringify(name)} of the zip ${problem}`);
  if (name === '' || name.startsWith('/') || name.includes('\\') || name.split('/').includes('..')) {
    throw wrong('has a path that leads out of the package');
  }
  if (flags & 1) throw wrong('is encrypted');
  if (method !== STORED && method !== DEFLATED) throw wrong(`is compressed by method ${method}; Lambda's tools use 0 and 8`);
  if (packed === 0xffffffff || size === 0xffffffff) throw wrong('needs ZIP64, so it is larger than any package may be');
  if (madeBy !== MADE_BY_UNIX || mode === 0) return;
  if ((mode & FILE_TYPE) === SYMBOLIC_LINK) throw wrong('is a symbolic link, which this reader does not follow');
  if (!(mode & READABLE_BY_OTHERS)) {
    throw wrong(`has mode ${(mode & 0o777).toString(8)}: Lambda runs functions as another user, who cannot read it`);
  }
}

function contents(archive, { name, method, checksum, packed, size, offset }) {
  const broken = (problem) => new Error(`the entry ${JSON.stringify(name)} of the zip ${problem}`);
  if (offset + 30 > archive.length || archive.readUInt32LE(offset) !== LOCAL) throw broken('has no header');
  const start = offset + 30 + archive.readUInt16LE(offset + 26) + archive.readUInt16LE(offset + 28);
  const data = archive.subarray(start, start + packed);
  let plain;
  try {
    plain = method === STORED ? data : zlib.inflateRawSync(data, { maxOutputLength: Math.max(size, 1) });
  } catch (error) {
    throw broken(`cannot be inflated: ${error.message}`);
  }
  if (plain.length !== size || zlib.crc32(plain) !== checksum) throw broken('does not hold the bytes that it should');
  return plain;
}

module.exports = { unzip };
