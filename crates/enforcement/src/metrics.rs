//! One metric line a decision, in CloudWatch's embedded metric format.
//!
//! Source: Amazon CloudWatch user guide, "Specification: Embedded metric format". CloudWatch
//! turns such a log line into metrics; the function needs no permission and makes no call for it.

use std::time::Duration;

use serde_json::json;

/// What is known about a decision once it was answered.
#[derive(Debug, Clone, Copy)]
pub struct Observation {
    /// `permit`, `deny`, `unauthorized`, `bad_request` or `error`.
    pub decision: &'static str,
    /// The dialect of the event; `None` where it was none.
    pub dialect: Option<&'static str>,
    /// From the event's arrival to the answer.
    pub latency: Duration,
    /// Whether this was the first event of the instance.
    pub cold_start: bool,
}

/// Writes metric lines.
#[derive(Debug, Clone)]
pub struct Metrics {
    function: String,
}

impl Metrics {
    /// Metrics of that function, the value of `AWS_LAMBDA_FUNCTION_NAME`.
    #[must_use]
    pub fn new(function: &str) -> Self {
        Self {
            function: function.to_owned(),
        }
    }

    /// The line, which whoever runs this takes to CloudWatch.
    #[must_use]
    pub fn line(&self, observation: &Observation, unix_millis: u64) -> String {
        let micros = u32::try_from(observation.latency.as_micros()).unwrap_or(u32::MAX);
        json!({
            "_aws": {
                "Timestamp": unix_millis,
                "CloudWatchMetrics": [{
                    "Namespace": "Portcullis",
                    "Dimensions": [["function_name"], ["function_name", "dialect", "decision"]],
                    "Metrics": [
                        { "Name": "Decisions", "Unit": "Count" },
                        { "Name": "Latency", "Unit": "Milliseconds" },
                        { "Name": "ColdStart", "Unit": "Count" },
                    ],
                }],
            },
            "function_name": self.function,
            "dialect": observation.dialect.unwrap_or("unknown"),
            "decision": observation.decision,
            "Decisions": 1,
            "Latency": f64::from(micros) / 1000.0,
            "ColdStart": u8::from(observation.cold_start),
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_shape_that_cloudwatch_reads() {
        let observation = Observation {
            decision: "deny",
            dialect: Some("rest_request"),
            latency: Duration::from_micros(1500),
            cold_start: true,
        };
        let line: serde_json::Value =
            serde_json::from_str(&Metrics::new("authorizer").line(&observation, 7)).unwrap();
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        for metric in directive["Metrics"].as_array().unwrap() {
            assert!(
                line[metric["Name"].as_str().unwrap()].is_number(),
                "{metric}"
            );
        }
        for dimension in directive["Dimensions"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|set| set.as_array().unwrap())
        {
            assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension}");
        }
        assert_eq!(line["_aws"]["Timestamp"], 7);
        assert_eq!(
            (line["Latency"].as_f64(), line["ColdStart"].as_u64()),
            (Some(1.5), Some(1))
        );
    }
}
