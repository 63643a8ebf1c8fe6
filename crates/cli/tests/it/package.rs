//! `portcullis package`: what is checked before a zip is written, and what stands in one.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;
use zip::ZipArchive;

use crate::command::run;

const SECRET: &str = "hunter2hunter2hunter2";

fn folder(config: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("edge.toml"), config).unwrap();
    folder
}

fn package(folder: &Path, more: &[&str]) -> crate::command::Run {
    let (zip, config) = (folder.join("edge.zip"), folder.join("edge.toml"));
    let (zip, config) = (zip.to_str().unwrap(), config.to_str().unwrap());
    let arguments = ["package", "edge", "-o", zip, "--config", config];
    run(&[&arguments, more].concat(), "")
}

#[test]
fn settings_that_the_function_would_refuse_are_refused_with_their_place() {
    for (config, expected) in [
        (
            "SERVICE_URL = \"https://a.example\"\nIS_DEBUG_ENABLED = \"true\"\n",
            "IS_DEBUG_ENABLED is a text: expected true or false, without quotation marks",
        ),
        (
            "SERVICE_URL = \"https://a.example\"\nMAX_RETRY = 1\n",
            "MAX_RETRY is no setting; did you mean MAX_RETRIES?",
        ),
        ("MAX_RETRIES = 1\n", "SERVICE_URL is not set"),
        (
            "SERVICE_URL = \"https://a.example\"\nSECRET_HEADER_VALUE = hunter2hunter2hunter2\n",
            "edge.toml:2:23: ",
        ),
        (
            "SERVICE_URL = \"http://a.example\"\nSECRET_HEADER_VALUE = \"hunter2hunter2hunter2\"\n",
            "SERVICE_URL is \"http://a.example\"",
        ),
        (
            "PORTCULLIS_BUNDLE = \"file:policy.json\"\n",
            "a file that can be read",
        ),
        (
            "PORTCULLIS_ISSUER = \"https://a.example\"\nPORTCULLIS_AUDIENCE = \"a\"\nPORTCULLIS_SCOPES = \"GET /a\"\nPORTCULLIS_ROOT_CA = \"../ca.pem\"\n",
            "names a file outside of its folder",
        ),
        (
            "SERVICE_URL = \"https://a.example\"\nSECRET_HEADER_VALUE = \"hunter2hunter2hunter2\"\nPORTCULLIS_API_ID = \"abc\"\n",
            "PORTCULLIS_API_STAGE is not set",
        ),
        (
            "SERVICE_URL = \"https://a.example\"\nSECRET_HEADER_VALUE = \"hunter2hunter2hunter2\"\nPORTCULLIS_LOGIN_URL = \"http://login.example\"\n",
            "PORTCULLIS_LOGIN_URL is \"http://login.example\"",
        ),
    ] {
        let folder = folder(config);
        let run = package(folder.path(), &[]);
        assert_eq!(run.status, 2, "{config}");
        assert!(run.errors.contains(expected), "{config}: {}", run.errors);
        assert!(!run.errors.contains(SECRET), "{}", run.errors);
        assert!(!folder.path().join("edge.zip").exists(), "{config}");
    }
}

#[expect(clippy::disallowed_methods, reason = "what the command wrote")]
fn bytes(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

/// A function that holds what it needs, with the module where this build has one.
#[test]
fn the_zip_holds_the_handler_its_settings_and_the_files_that_they_name() {
    let folder = folder(
        "SERVICE_URL = \"https://a.example\"\nSECRET_HEADER_VALUE = \"hunter2hunter2hunter2\"\nIS_DEBUG_ENABLED = false\nPORTCULLIS_ROOT_CA = \"ca.pem\"\n",
    );
    fs::write(folder.path().join("ca.pem"), "certificates").unwrap();
    let run = package(folder.path(), &["--json"]);
    if run.errors.contains("make build") {
        // A build without the module says how it is had; the end-to-end tests have it.
        assert_eq!(run.status, 2);
        return;
    }
    assert_eq!(run.status, 0, "{}", run.errors);
    assert!(!run.output.contains(SECRET));
    let path = folder.path().join("edge.zip");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let first = bytes(&path);
    let mut zip = ZipArchive::new(fs::File::open(&path).unwrap()).unwrap();
    let names: Vec<String> = zip
        .file_names()
        .map(|name| name.unwrap().into_owned())
        .collect();
    for name in [
        "aws-lambda-authorizer.js",
        "config.js",
        "ca.pem",
        "portcullis_edge_bg.wasm",
    ] {
        let name = format!("aws-lambda-authorizer/src/{name}");
        assert!(names.contains(&name), "{names:?}");
    }
    let config = zip
        .by_name("aws-lambda-authorizer/src/config.js")
        .map(std::io::read_to_string)
        .unwrap()
        .unwrap();
    assert!(
        config.ends_with(
            "module.exports = {\n  SERVICE_URL: \"https://a.example\",\n  SECRET_HEADER_VALUE: \"hunter2hunter2hunter2\",\n  IS_DEBUG_ENABLED: false,\n  PORTCULLIS_ROOT_CA: \"ca.pem\",\n};\n"
        ),
        "{config}"
    );
    // The same settings make the same bytes, and what was there is replaced.
    assert_eq!(package(folder.path(), &[]).status, 0);
    assert_eq!(bytes(&path), first);
}

#[test]
fn the_authorizer_is_an_executable_with_its_name() {
    let folder = TempDir::new().unwrap();
    let zip = folder.path().join("authorizer.zip");
    let executable = folder.path().join("bootstrap-rego");
    fs::write(&executable, b"\x7fELF and more").unwrap();
    let executable = executable.to_str().unwrap();
    let arguments = ["package", "authorizer", "-o", zip.to_str().unwrap()];
    let done = run(
        &[&arguments[..], &["--executable", executable]].concat(),
        "",
    );
    assert_eq!(done.status, 0, "{}", done.errors);
    let mut archive = ZipArchive::new(fs::File::open(&zip).unwrap()).unwrap();
    assert_eq!(archive.len(), 1);
    let file = archive.by_name("bootstrap").unwrap();
    assert_eq!(file.unix_mode().unwrap() & 0o777, 0o755);
    assert_eq!(file.size(), fs::metadata(executable).unwrap().len());

    let text = folder.path().join("text");
    fs::write(&text, "no executable").unwrap();
    fs::set_permissions(&text, Permissions::from_mode(0o755)).unwrap();
    for (file, expected) in [
        (text.to_str().unwrap(), "is no executable for Linux"),
        ("/nowhere/bootstrap", "cannot be read; `make build`"),
    ] {
        let done = run(&[&arguments[..], &["--executable", file]].concat(), "");
        assert_eq!(done.status, 2);
        assert!(done.errors.contains(expected), "{}", done.errors);
    }
}
