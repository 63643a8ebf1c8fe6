//! Spans as a collector gets them.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use portcullis_pdp::http::{HttpClient, TlsRoots};
use portcullis_server::{TraceSettings, Traces};
use prost::Message;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use crate::running::{Answer, Gate, Running, Setup, good};

type Exports = Arc<Mutex<Vec<ExportTraceServiceRequest>>>;

/// A collector that keeps what it gets and answers with that status.
async fn collector(status: StatusCode) -> (String, Exports) {
    let exports = Exports::default();
    let keep = Arc::clone(&exports);
    let take = move |headers: HeaderMap, body: Bytes| async move {
        let content_type = headers.get("content-type").unwrap();
        assert_eq!(content_type, "application/x-protobuf");
        let export = ExportTraceServiceRequest::decode(body).unwrap();
        keep.lock().unwrap().push(export);
        status
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let serving = crate::running::serving_plainly();
    let routes = Router::new().route("/v1/traces", post(take));
    tokio::spawn(portcullis_server::serve(listener, routes, serving));
    (endpoint, exports)
}

fn traces(endpoint: &str) -> Traces {
    let settings = TraceSettings {
        endpoint: endpoint.to_owned(),
        service_name: "gate".to_owned(),
    };
    let client = Arc::new(HttpClient::new(&TlsRoots::public()).unwrap());
    Traces::new(&settings, client, Handle::current()).unwrap()
}

fn spans(exports: &Exports) -> Vec<Span> {
    let exports = exports.lock().unwrap();
    let resources = exports.iter().flat_map(|export| &export.resource_spans);
    let scopes = resources.flat_map(|resource| &resource.scope_spans);
    scopes.flat_map(|scope| scope.spans.clone()).collect()
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|one| one.key == key)?;
    match &found.value {
        Some(AnyValue {
            value: Some(Value::StringValue(text)),
        }) => Some(text.clone()),
        Some(AnyValue {
            value: Some(Value::IntValue(number)),
        }) => Some(number.to_string()),
        other => panic!("{other:?}"),
    }
}

fn call(headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST /sideband/request?secret-query HTTP/1.1\r\nhost: secret-host\r\nclient-token: secret-token\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

#[tokio::test]
async fn each_call_is_a_span_with_its_decision() {
    let (endpoint, exports) = collector(StatusCode::OK).await;
    let traces = traces(&endpoint);
    let setup = Setup {
        traces: Some(traces.clone()),
        ..Setup::default()
    };
    let service = Running::start(Gate::open(), setup).await;
    let mut stream = service.connect().await;
    let parent = |flags| format!("traceparent: 00-{TRACE}-b7ad6b7169203331-{flags}\r\n");
    let mut ids = Vec::new();
    for (headers, body) in [
        (parent("01"), good()),
        (String::new(), good()),
        (
            "traceparent: 00-secret-nonsense\r\n".to_owned(),
            "{}".to_owned(),
        ),
        // Its sender does not record it.
        (parent("00"), good()),
    ] {
        stream.write_all(&call(&headers, &body)).await.unwrap();
        let head = Answer::next(&mut stream).await.head;
        let id = head
            .lines()
            .find_map(|line| line.strip_prefix("correlation-id: "));
        ids.push(id.map(str::to_owned));
    }
    for path in ["/health/ready", "/metrics", "/secret-path"] {
        service.get(path).await;
    }
    traces.finish().await;

    let spans = spans(&exports);
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    let sideband = "POST /sideband/request";
    assert_eq!(names, [sideband, sideband, sideband, "GET"]);
    let attribute = |index: usize, key| text(&spans[index].attributes, key);
    for (index, status) in ["200", "200", "400", "404"].into_iter().enumerate() {
        assert_eq!(
            attribute(index, "http.response.status_code").as_deref(),
            Some(status)
        );
    }
    assert_eq!(
        attribute(0, "http.route").as_deref(),
        Some("/sideband/request")
    );
    for index in [0, 1] {
        assert_eq!(
            attribute(index, "portcullis.outcome").as_deref(),
            Some("permit")
        );
        assert_eq!(
            attribute(index, "portcullis.reason").as_deref(),
            Some("permitted")
        );
        assert_eq!(attribute(index, "portcullis.decision_id"), ids[index]);
        assert!(ids[index].is_some());
    }
    assert_eq!(attribute(2, "portcullis.outcome"), None);
    let trace = u128::from_str_radix(TRACE, 16).unwrap().to_be_bytes();
    assert_eq!(spans[0].trace_id, trace);
    assert_eq!(
        spans[0].parent_span_id,
        0xb7ad_6b71_6920_3331_u64.to_be_bytes()
    );
    assert!(spans[1].trace_id != trace && spans[1].parent_span_id.is_empty());
    assert!(spans[2].trace_id != trace);
    let exports = exports.lock().unwrap();
    let resource = exports[0].resource_spans[0].resource.clone().unwrap();
    assert_eq!(
        text(&resource.attributes, "service.name").as_deref(),
        Some("gate")
    );
    assert!(!format!("{exports:?}").contains("secret"), "{exports:?}");
}

#[tokio::test]
async fn a_collector_that_fails_is_nobodys_problem() {
    let (refuses, exports) = collector(StatusCode::INTERNAL_SERVER_ERROR).await;
    for endpoint in [refuses.as_str(), "http://127.0.0.1:1/v1/traces"] {
        let traces = traces(endpoint);
        let setup = Setup {
            traces: Some(traces.clone()),
            ..Setup::default()
        };
        let service = Running::start(Gate::open(), setup).await;
        let mut stream = service.connect().await;
        stream.write_all(&call("", &good())).await.unwrap();
        assert_eq!(Answer::next(&mut stream).await.status, 200);
        traces.finish().await;
    }
    assert!(!exports.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_endpoint_that_is_no_url_is_refused() {
    for endpoint in ["", "collector:4318", "grpc://collector:4317", "http://"] {
        let settings = TraceSettings {
            endpoint: endpoint.to_owned(),
            service_name: "gate".to_owned(),
        };
        let client = Arc::new(HttpClient::new(&TlsRoots::public()).unwrap());
        let error = Traces::new(&settings, client, Handle::current()).unwrap_err();
        assert!(
            error.to_string().contains("OTEL_EXPORTER_OTLP_ENDPOINT"),
            "{error}"
        );
    }
}
