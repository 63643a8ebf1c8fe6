//! CloudFront: a module for each file of `src/cloudfront`, the rules of CloudFront written anew, and
//! what holds for every event and decision.

mod accept;
mod body;
mod edit;
mod event;
mod header_edit;
mod headers;
mod login;
mod properties;
mod response;
mod rules;
mod support;
mod url;
