//! Reads an account through [`AwsApis`]: lists first, and of the APIs that are meant everything else.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use crate::account::{Account, Api, Deployed, Protocol, Stage};
use crate::apis::{Answer, ApiHead, AwsApis, AwsError, Page};
use crate::arn::FunctionArn;
use crate::permission::FunctionView;
use crate::selection::Selection;

/// Most APIs of one account and region; AWS allows 600 of each kind unless asked for more.
pub const MAX_APIS: usize = 20_000;
/// Most entries of any other list, such as the routes of one API.
const MAX_ITEMS: usize = 50_000;

/// How far the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So many APIs are listed.
    Listed(usize),
    /// So many of the APIs that are meant are read.
    Read {
        /// How many.
        done: usize,
        /// Of how many.
        total: usize,
    },
}

/// An account that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// AWS did not answer a call.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// AWS did not answer a call about one API.
    #[error("{api}: {error}")]
    Api {
        /// The API.
        api: String,
        /// What AWS says.
        error: AwsError,
    },
    /// A list without an end.
    #[error("the list of {0} has more than {1} entries, or does not end")]
    TooLong(&'static str, usize),
}

/// Reads the APIs that are meant, with their routes, authorizers and stages, and the functions that their
/// authorizers call. An API that goes away in the meantime is left out.
pub async fn read_account<A: AwsApis>(
    apis: &A,
    selection: &Selection,
    mut told: impl FnMut(Progress),
) -> Result<Account, ReadError> {
    let identity = apis.identity().await?;
    let mut heads: Vec<ApiHead> = Vec::new();
    if selection.wants(Protocol::Rest) {
        heads.extend(
            all("REST APIs", MAX_APIS, |page| async move {
                apis.rest_apis(page.as_deref()).await
            })
            .await?,
        );
        told(Progress::Listed(heads.len()));
    }
    if selection.wants(Protocol::Http) || selection.wants(Protocol::WebSocket) {
        heads.extend(
            all("HTTP and WebSocket APIs", MAX_APIS, |page| async move {
                apis.v2_apis(page.as_deref()).await
            })
            .await?,
        );
        told(Progress::Listed(heads.len()));
    }
    heads.retain(|head| selection.may_take(head));
    let total = heads.len();
    let mut read = Vec::new();
    for (done, head) in heads.into_iter().enumerate() {
        told(Progress::Read { done, total });
        let title = format!("{} \"{}\"", head.id, head.name);
        match read_api(apis, head).await {
            Ok(api) if selection.takes_api(&api) => read.push(api),
            Ok(_) | Err(ReadError::Aws(AwsError::NotFound { .. })) => {}
            Err(ReadError::Aws(error)) => return Err(ReadError::Api { api: title, error }),
            Err(error) => return Err(error),
        }
    }
    read.sort_by_key(|api| api.protocol);
    let mut account = Account {
        id: identity.account,
        region: identity.region,
        partition: identity.partition,
        apis: read,
        functions: BTreeMap::new(),
        unread_functions: BTreeSet::new(),
    };
    let authorizers = account.apis.iter().flat_map(|api| &api.authorizers);
    let functions: BTreeSet<_> = authorizers.filter_map(|one| one.function.clone()).collect();
    for function in functions {
        // A function in another region is asked about there, which is not here.
        if function.region() != account.region {
            account.unread_functions.insert(function);
            continue;
        }
        match apis.function(&function).await {
            Ok(Some(view)) => {
                account.functions.insert(function, view);
            }
            Ok(None) => {}
            Err(AwsError::Denied { .. }) => {
                account.unread_functions.insert(function);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(account)
}

/// Reads one function more, for a binding to it.
pub async fn read_function<A: AwsApis>(
    apis: &A,
    account: &mut Account,
    function: &FunctionArn,
) -> Result<Option<FunctionView>, AwsError> {
    if let Some(view) = account.functions.get(function) {
        return Ok(Some(view.clone()));
    }
    let view = apis.function(function).await?;
    if let Some(view) = &view {
        account.functions.insert(function.clone(), view.clone());
    }
    Ok(view)
}

async fn read_api<A: AwsApis>(apis: &A, head: ApiHead) -> Result<Api, ReadError> {
    let one = &head;
    let mut routes = all("routes", MAX_ITEMS, |page| async move {
        apis.routes(one, page.as_deref()).await
    })
    .await?;
    routes.sort_by(|a, b| (&a.path, &a.method).cmp(&(&b.path, &b.method)));
    let authorizers = all("authorizers", MAX_ITEMS, |page| async move {
        apis.authorizers(one, page.as_deref()).await
    })
    .await?;
    let listed = all("stages", MAX_ITEMS, |page| async move {
        apis.stages(one, page.as_deref()).await
    })
    .await?;
    let mut known: BTreeMap<String, Deployed> = BTreeMap::new();
    let mut stages: Vec<Stage> = Vec::new();
    for (mut stage, deployment) in listed {
        stage.deployed = match deployment {
            _ if stage.auto_deploy => Deployed::Draft,
            None => Deployed::Nothing,
            Some(id) => {
                if !known.contains_key(&id) {
                    known.insert(id.clone(), apis.deployed(one, &id).await?);
                }
                known.get(&id).cloned().unwrap_or(Deployed::Unknown)
            }
        };
        stages.push(stage);
    }
    stages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Api {
        id: head.id,
        name: head.name,
        protocol: head.protocol,
        tags: head.tags,
        endpoint_disabled: head.endpoint_disabled,
        routes,
        authorizers,
        stages,
    })
}

/// Reads a list to its end. A page that names itself as the next one would be read forever, so the number of
/// entries and of pages is bounded.
async fn all<T, F, P>(what: &'static str, most: usize, page: P) -> Result<Vec<T>, ReadError>
where
    P: Fn(Option<String>) -> F,
    F: Future<Output = Answer<Page<T>>>,
{
    let mut items = Vec::new();
    let mut next = None;
    for _ in 0..most {
        let answer = page(next).await?;
        items.extend(answer.items);
        if items.len() > most {
            break;
        }
        match answer.next.filter(|token| !token.is_empty()) {
            None => return Ok(items),
            Some(token) => next = Some(token),
        }
    }
    Err(ReadError::TooLong(what, most))
}
