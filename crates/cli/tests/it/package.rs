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
        (
            "SERVICE_URL = \"https://a.example\"\nSECRET_HEADER_VALUE_ARN = \"arn:aws:secretsmanager::123456789012:secret:s\"\n",
            "SECRET_HEADER_VALUE_ARN is [redacted]: expected the ARN of a Secrets Manager secret or an SSM parameter, with its Region",
        ),
        (
            "SERVICE_URL = \"https://a.example\"\nSECRET_HEADER_VALUE = \"hunter2hunter2hunter2\"\nPORTCULLIS_ROOT_CA = \"-----BEGIN\"\n",
            "PORTCULLIS_ROOT_CA is \"[PEM]\": expected certificates in PEM",
        ),
        // A file that is there, and holds something else.
        (
            "SERVICE_URL = \"https://a.example\"\nSECRET_HEADER_VALUE = \"hunter2hunter2hunter2\"\nPORTCULLIS_ROOT_CA = \"edge.toml\"\n",
            "PORTCULLIS_ROOT_CA is \"[PEM]\": expected certificates in PEM",
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

/// The certificate of an authority that nobody knows.
fn authority() -> String {
    let names = ["ca.example".to_owned()];
    rcgen::generate_simple_self_signed(names)
        .unwrap()
        .cert
        .pem()
}

/// The module has files of its own beside `config.js`, which the command writes.
#[test]
fn a_file_of_the_package_is_not_replaced() {
    for name in ["config.js", "aws-lambda-authorizer.js"] {
        let folder = folder(&format!(
            "SERVICE_URL = \"https://a.example\"\nSECRET_HEADER_VALUE = \"hunter2hunter2hunter2\"\nPORTCULLIS_ROOT_CA = \"{name}\"\n",
        ));
        fs::write(folder.path().join(name), authority()).unwrap();
        let run = package(folder.path(), &[]);
        assert_eq!(run.status, 2);
        let expected = format!(
            "{name}: the package has a file of that name itself; give yours another name, in the settings as well"
        );
        let without_module = run.errors.contains("make build");
        assert!(
            without_module || run.errors.contains(&expected),
            "{}",
            run.errors
        );
        assert!(!folder.path().join("edge.zip").exists());
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
    fs::write(folder.path().join("ca.pem"), authority()).unwrap();
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

/// As much of an executable as is looked at: for a machine, by its number in ELF.
fn program(machine: u8) -> Vec<u8> {
    elf(3, machine)
}

/// An ELF file of that type.
fn elf(kind: u8, machine: u8) -> Vec<u8> {
    let mut header = b"\x7fELF\x02\x01".to_vec();
    header.resize(16, 0);
    header.extend([kind, 0, machine, 0]);
    header
}

/// What would not start as a function is said before it is deployed.
#[test]
fn a_bundle_that_the_function_cannot_run_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for name in ["bootstrap", "bootstrap-rego"] {
        fs::write(path(name), program(62)).unwrap();
    }
    for directory in ["services", "policies"] {
        fs::create_dir(path(directory)).unwrap();
    }
    fs::write(
        path("policies/p.rego"),
        "package acp.authz\nallow := true\n",
    )
    .unwrap();
    let package = |operation: &str, function: &str| {
        let service = format!(
            "name: S\nbase_urls: [https://api.example.com]\ntokens: [{{ issuer: \"https://idp.example.com\", audiences: [api] }}]\n\
             operations: [{{ name: planets, paths: [/planets], {operation} }}]\n"
        );
        fs::write(path("services/s.yaml"), service).unwrap();
        let bundled = run(
            &["policy", "bundle", &path(""), "-o", &path("policy.json")],
            "",
        );
        assert_eq!(bundled.status, 0, "{}", bundled.errors);
        let (zip, function, bundle) = (path("function.zip"), path(function), path("policy.json"));
        let arguments = [
            "package",
            "authorizer",
            "-o",
            &zip,
            "--executable",
            &function,
        ];
        run(&[&arguments[..], &["--bundle", &bundle]].concat(), "")
    };
    let rego = "policy: p.rego";
    assert_eq!(package(rego, "bootstrap-rego").status, 0);
    for (operation, function, expected) in [
        (rego, "bootstrap", "for Rego, deploy bootstrap-rego"),
        (
            "response_policy: p.rego",
            "bootstrap-rego",
            "the function sees no responses",
        ),
    ] {
        let done = package(operation, function);
        assert_eq!(done.status, 2, "{operation}");
        assert!(done.errors.contains(expected), "{}", done.errors);
    }
}

#[test]
fn the_architecture_is_that_of_the_executable() {
    let folder = TempDir::new().unwrap();
    let zip = folder.path().join("authorizer.zip");
    let executable = folder.path().join("bootstrap");
    let package = |content: Vec<u8>| {
        fs::write(&executable, content).unwrap();
        let (zip, executable) = (zip.to_str().unwrap(), executable.to_str().unwrap());
        let arguments = ["package", "authorizer", "-o", zip, "--executable"];
        run(&[&arguments[..], &[executable, "--json"]].concat(), "")
    };
    let expected = "\"architecture\":\"arm64\"";
    let done = package(program(183));
    assert!(done.output.contains(expected), "{}", done.output);
    // RISC-V, which Lambda does not have; an object file; 32 bits.
    let mut narrow = program(62);
    narrow[4] = 1;
    for other in [program(243), elf(1, 62), narrow] {
        let done = package(other);
        assert_eq!(done.status, 2);
        let expected = "is no executable for Linux on x86_64 or arm64";
        assert!(done.errors.contains(expected), "{}", done.errors);
    }
}

#[test]
fn the_authorizer_is_an_executable_with_its_name() {
    let folder = TempDir::new().unwrap();
    let zip = folder.path().join("authorizer.zip");
    let executable = folder.path().join("bootstrap-rego");
    fs::write(&executable, program(62)).unwrap();
    let executable = executable.to_str().unwrap();
    let arguments = ["package", "authorizer", "-o", zip.to_str().unwrap()];
    let done = run(
        &[&arguments[..], &["--executable", executable]].concat(),
        "",
    );
    assert_eq!(done.status, 0, "{}", done.errors);
    assert!(
        done.output.contains("on x86_64, handler"),
        "{}",
        done.output
    );
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
