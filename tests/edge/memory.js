'use strict';
// The memory of another process, from /proc on Linux: what it has, and the most that it ever had.

const fs = require('node:fs');

const KIB_PER_MIB = 1024;

/** The largest resident set so far of process `pid` in MiB, or null where there is no /proc. */
function peakMb(pid) {
  let status;
  try {
    status = fs.readFileSync(`/proc/${pid}/status`, 'latin1');
  } catch {
    return null;
  }
  // A process that has just ended has no memory any more, and no such line.
  const line = /^VmHWM:\s+(\d+) kB$/m.exec(status);
  return line === null ? null : Number(line[1]) / KIB_PER_MIB;
}

module.exports = { peakMb };
