//! What Node.js provides, in `js/host.js`. No function of it throws.

use std::io;

use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(raw_module = "./host.js")]
extern "C" {
    /// Milliseconds since 1970.
    #[wasm_bindgen(js_name = unixMillis)]
    pub(super) fn unix_millis() -> f64;

    /// Milliseconds since some moment.
    #[wasm_bindgen(js_name = monotonicMillis)]
    pub(super) fn monotonic_millis() -> f64;

    /// The time as in RFC 3339.
    #[wasm_bindgen(js_name = isoTime)]
    pub(super) fn iso_time() -> String;

    /// From 0 to 1, from a source fit for secrets.
    pub(super) fn random() -> f64;

    /// Calls `woke` after so many milliseconds.
    #[wasm_bindgen(js_name = setPause)]
    pub(super) fn set_pause(pause: u32, millis: f64);

    #[wasm_bindgen(js_name = clearPause)]
    pub(super) fn clear_pause(pause: u32);

    /// Sends a request and calls `received` or `failed`. Header fields are names and values in turn.
    pub(super) fn send(
        request: u32,
        method: &str,
        url: &str,
        headers: Vec<String>,
        body: &[u8],
        millis: f64,
        max_bytes: f64,
    );

    /// Gives a request up.
    pub(super) fn abort(request: u32);

    /// Trusts further certificate authorities; false where the text holds none.
    pub(super) fn trust(pem: &str) -> bool;

    /// A file of the package; `undefined` where there is none.
    #[wasm_bindgen(js_name = readFile)]
    fn read_file(path: &str) -> Option<String>;

    /// A line of the log.
    #[wasm_bindgen(js_name = writeLine)]
    pub(super) fn write_line(line: &str);

    /// The answer to an event.
    pub(super) fn answered(call: u32, answer: &str);
}

/// A file that came in the package.
pub(super) fn read_file_of_package(path: &str) -> io::Result<String> {
    read_file(path).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "not in the package"))
}
