//! How the process takes memory from the system.

/// Keeps the allocator (mimalloc, which regorus brings) from taking memory in pages of 2 MB: it asks the kernel
/// for them, and then a process that uses 3 MB holds 14 (docs/benchmarks.md).
pub(crate) fn use_small_pages() {
    // A kernel without such pages refuses, and nothing is lost.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}
