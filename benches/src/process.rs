//! What a process has used of the processors, by the clock that the kernel has for it (`clock_getcpuclockid(3)`): all its
//! threads, to the nanosecond, where `/proc/PID/stat` counts hundredths of a second.

use std::time::Duration;

use anyhow::Result;
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// The processor time of the process with that number, in user mode and in the kernel.
pub(crate) fn processor_time(process: u32) -> Result<Duration> {
    let clock = clock_getcpuclockid(Pid::from_raw(process.try_into()?))?;
    Ok(Duration::from(clock_gettime(clock)?))
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::processor_time;

    #[test]
    fn counts_what_this_process_uses() {
        let before = processor_time(process::id()).unwrap();
        let mut sum = 0u64;
        while processor_time(process::id()).unwrap() == before {
            sum = std::hint::black_box(sum + 1);
        }
    }

    #[test]
    fn no_process_has_no_clock() {
        processor_time(u32::from(u16::MAX) << 8).unwrap_err();
    }
}
