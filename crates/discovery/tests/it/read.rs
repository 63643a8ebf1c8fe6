//! Reading: pages, bounds, and an account of thousands of APIs.

use portcullis_discovery::{AwsError, Progress, Protocol, ReadError, Selection, read_account};

use crate::fake::{FakeApi, FakeAws, World, run};

#[test]
fn five_thousand_apis_are_read_page_by_page_and_one_is_picked() {
    let apis = (0..5000).map(|number| {
        let protocol = if number % 2 == 0 {
            Protocol::Rest
        } else {
            Protocol::Http
        };
        FakeApi::new(&format!("api{number}"), protocol, &["GET /planets"])
    });
    let mut aws = FakeAws::new(World::new(apis.collect()));
    aws.page = 500;
    let selection = Selection {
        ids: vec!["api4999".to_owned()],
        ..Selection::default()
    };
    let mut listed = Vec::new();
    let account = run(read_account(&aws, &selection, |progress| {
        if let Progress::Listed(number) = progress {
            listed.push(number);
        }
    }));
    assert_eq!(listed, [2500, 5000]);
    let account = account.unwrap();
    assert_eq!(account.apis.len(), 1);
    assert_eq!(account.api("api4999").unwrap().routes.len(), 1);
}

#[test]
fn every_page_of_an_api_is_read() {
    let keys: Vec<String> = (0..7).map(|number| format!("GET /p{number}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let api = FakeApi::new("many", Protocol::Rest, &keys)
        .deployed("a")
        .deployed("b")
        .deployed("c");
    let account = run(FakeAws::new(World::new(vec![api])).read(&Selection::default()));
    let api = account.api("many").unwrap();
    assert_eq!((api.routes.len(), api.stages.len()), (7, 3));
    assert!(
        api.stages
            .iter()
            .all(|stage| api.undeployed(stage) == Some(Vec::new()))
    );
}

#[test]
fn errors_say_what_was_asked_for() {
    let error = ReadError::from(AwsError::Denied {
        call: "GetRestApis",
        message: "not authorized to perform apigateway:GET".to_owned(),
    });
    assert_eq!(
        error.to_string(),
        "GetRestApis: AWS refuses it to you (not authorized to perform apigateway:GET). docs/aws-binding.md lists the \
         actions that each command needs"
    );
}
