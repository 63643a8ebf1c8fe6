//! Policy directories: reading never panics, says where each mistake is, and reads the same twice; what was read
//! decides without a surprise ([`portcullis_fuzz::check_decisions`]), also out of a bundle. Lines of an export of decisions
//! are read, or refused without a word of what they hold, and made again on the policy.
//!
//! An input is the files, each after a line `=== services/a.yaml`; what stands before the first is
//! `services/first.yaml`. Behind `=== message` is what is sent ([`portcullis_fuzz::Message`]), behind `=== certificate` a
//! client certificate, and behind `=== decisions.jsonl` an export.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use portcullis_engine::{
    Diagnostics, PolicySet, PolicyTests, RecordedDecision, SourceFile, compile, compile_documents,
    documents, policy_coverage,
};
use portcullis_fuzz::{CERTIFICATE, Message, Traffic, check, check_decisions, decisions};
use portcullis_jose::AwsLc;
use portcullis_pdp::bundle::Bundle;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let mut files = files(text);
    let mut take = |path: &str| {
        let found = files.iter().position(|file| file.path == path)?;
        Some(files.remove(found).text)
    };
    let message = take("message").unwrap_or_default();
    let certificate = take("certificate");
    let export = take("decisions.jsonl").unwrap_or_default();
    let files = files;
    let recorded = read_export(&export);
    let tests = PolicyTests::parse(&files);
    if let Err(problems) = &tests {
        check_problems(problems, &files);
    }
    let policy = match compile(&files, &[]) {
        Ok(policy) => policy,
        Err(problems) => {
            check_problems(&problems, &files);
            let again = compile(&files, &[]).unwrap_err();
            assert_eq!(problems, again);
            let _ = documents(&files);
            return;
        }
    };
    let traffic = Traffic {
        message: Message::read(&message),
        certificate: certificate.unwrap_or_else(|| CERTIFICATE.to_owned()),
        tells_response: files.iter().any(may_tell_response),
    };
    check_decisions(&policy, &traffic);
    replay(&recorded, &policy);
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

/// Whether a file may have an attribute of the response in it: the word, where it is not that of a phase or the name of
/// a member, or an escape that it could hide behind.
fn may_tell_response(file: &SourceFile) -> bool {
    let text = file.text.replace("phase: response", "");
    let text = text.replace("response_policy", "");
    text.contains("response") || text.contains('\\')
}

/// The lines that are records. Of the others nothing is repeated but where they stop to be one.
fn read_export(text: &str) -> Vec<RecordedDecision> {
    let read = |line: &str| match RecordedDecision::parse(line) {
        Ok(record) => Some(record),
        Err(error) => {
            let shown = error.to_string();
            assert!(!shown.contains(char::is_control), "{shown:?}");
            None
        }
    };
    text.lines().take(4).filter_map(read).collect()
}

/// What was recorded is decided again, always in the same way, and never on a token that needs a proof.
fn replay(recorded: &[RecordedDecision], policy: &PolicySet) {
    for record in recorded {
        let _ = format!("{record:?}");
        assert!(matches!(record.outcome.as_str(), "permit" | "deny"));
        let decided = record.replay(policy, &AwsLc);
        assert!(decided == record.replay(policy, &AwsLc));
        if let Ok(decision) = decided {
            check(&decision);
            let other = record.outcome != decision.as_str();
            assert!(!other || record.differs(&decision));
        }
    }
}

/// Every mistake has a line of its own, and a place that is in the file where it has one.
fn check_problems(problems: &Diagnostics, files: &[SourceFile]) {
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
