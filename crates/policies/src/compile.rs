//! Where a policy is compiled: on a thread of its own, or here where there are no threads.

#[cfg(not(target_family = "wasm"))]
mod thread;

#[cfg(target_family = "wasm")]
use portcullis_engine::Diagnostic;

#[cfg(not(target_family = "wasm"))]
pub(crate) use thread::bounded;

/// What the work answers. It is done at once, on the stack that the module has: WebAssembly has no threads.
///
/// The engine has checked size and nesting of the text. Where that is not enough, the stack overflows, which WebAssembly
/// and its host both notice: the call ends in an error that the host catches, and a function that did not start answers
/// 503 to everyone. A compiler that does not come back is ended by Lambda, with the same answer.
#[cfg(target_family = "wasm")]
pub(crate) fn bounded<T>(
    _path: &str,
    work: impl FnOnce() -> Result<T, Vec<Diagnostic>>,
) -> Result<T, Vec<Diagnostic>> {
    work()
}
