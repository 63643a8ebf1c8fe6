//! The tests of `portcullis-aws`: one binary, a module for each dialect and each shared piece.

#[cfg(test)]
mod answer;
#[cfg(test)]
mod arn;
#[cfg(test)]
mod cloudfront;
#[cfg(test)]
mod context;
#[cfg(test)]
mod dialect;
#[cfg(test)]
mod http_v1;
#[cfg(test)]
mod http_v2;
#[cfg(test)]
mod iam;
#[cfg(test)]
mod options;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod recorded_events;
#[cfg(test)]
mod rest_request;
#[cfg(test)]
mod rest_token;
#[cfg(test)]
mod support;
#[cfg(test)]
mod websocket;
