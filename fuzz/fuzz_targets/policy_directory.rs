//! Policy directories: reading never panics, says where each mistake is, and reads the same twice; what was read
//! decides without a surprise ([`portcullis_fuzz::check_decisions`]), also out of a bundle.
//!
//! An input is the files, each after a line `=== services/a.yaml`; what stands before the first is
//! `services/first.yaml`.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use portcullis_engine::{
    Diagnostics, PolicyTests, SourceFile, compile, compile_documents, documents, policy_coverage,
};
use portcullis_fuzz::{check_decisions, decisions};
use portcullis_jose::AwsLc;
use portcullis_pdp::bundle::Bundle;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let files = files(text);
    let tests = PolicyTests::parse(&files);
    if let Err(problems) = &tests {
        check(problems, &files);
    }
    let policy = match compile(&files, &[]) {
        Ok(policy) => policy,
        Err(problems) => {
            check(&problems, &files);
            let again = compile(&files, &[]).unwrap_err();
            assert_eq!(problems, again);
            let _ = documents(&files);
            return;
        }
    };
    check_decisions(&policy);
    let decided = decisions(&policy);
    assert!(compile(&files, &[]).is_ok_and(|again| decisions(&again) == decided));
    // In another order, the requests are asked in another order, too.
    let mut turned = files.clone();
    turned.reverse();
    compile(&turned, &[]).unwrap();
    // As JSON it says the same, or is refused.
    if let Ok(documents) = documents(&files)
        && let Ok(same) = compile_documents(&documents, &[])
    {
        assert!(decisions(&same) == decided);
    }
    if let Ok(bundle) = Bundle::new(&files, &[]) {
        let turned = Bundle::new(&turned, &[]).unwrap();
        assert_eq!(bundle.digest(), turned.digest());
        let read = Bundle::from_json(bundle.to_json().as_bytes()).unwrap();
        assert!(read == bundle);
        read.compile(&[]).unwrap();
    }
    if let Ok(tests) = tests {
        let results = tests.run(&policy, &AwsLc);
        let _ = policy_coverage(&policy, &results);
    }
});

/// The files by their paths: a directory has each path once.
fn files(text: &str) -> Vec<SourceFile> {
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    let mut open = "services/first.yaml";
    for line in text.split_inclusive('\n') {
        if let Some(path) = line.strip_prefix("=== ") {
            open = path.trim_end();
            files.entry(open).or_default();
        } else {
            files.entry(open).or_default().push_str(line);
        }
    }
    let file = |(path, text): (&str, String)| SourceFile {
        path: path.to_owned(),
        text,
    };
    files.into_iter().map(file).collect()
}

/// Every mistake has a line of its own, and a place that is in the file where it has one.
fn check(problems: &Diagnostics, files: &[SourceFile]) {
    assert!(!problems.0.is_empty());
    for problem in &problems.0 {
        assert!(!problem.message.is_empty());
        // File names come from the file system, and whoever lists them looks at them.
        let shown = format!("{} {:?}", problem.message, problem.help);
        assert!(!shown.contains(char::is_control), "{shown:?}");
        let file = files.iter().find(|file| file.path == problem.file);
        if let (Some(file), Some((line, column))) = (file, problem.place) {
            let lines = file.text.split(['\n', '\r']).count() as u64 + 1;
            assert!((1..=lines).contains(&line) && column >= 1, "{problem}");
        }
        let known = ["services", "policies", "tests"];
        assert!(
            file.is_some() || known.contains(&problem.file.as_str()),
            "{problem}"
        );
    }
}
