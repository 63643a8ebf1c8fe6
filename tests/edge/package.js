'use strict';
// The code of a function, ready to be loaded: a directory as it is, a zip unpacked into a temporary one.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { PACKAGE_BYTES } = require('./limits.js');
const { unzip } = require('./zip.js');

/**
 * Opens the package at `location`, a directory or a zip.
 *
 * Returns {root, bytes, close}: the directory of the code, the size of the zip (null for a directory)
 * and what removes the temporary directory. Throws an Error that says what is wrong with the package.
 */
function openPackage(location) {
  const found = fs.statSync(location, { throwIfNoEntry: false });
  if (found === undefined) throw new Error(`there is no package at ${location}`);
  if (found.isDirectory()) return { root: fs.realpathSync(location), bytes: null, close() {} };
  if (found.size > PACKAGE_BYTES) {
    throw new Error(`the package has ${found.size} bytes, and Lambda@Edge takes ${PACKAGE_BYTES}`);
  }
  const root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'edge-package-')));
  const close = () => fs.rmSync(root, { recursive: true, force: true });
  try {
    unzip(fs.readFileSync(location), root);
  } catch (error) {
    close();
    throw error;
  }
  return { root, bytes: found.size, close };
}

module.exports = { openPackage };
