//! An AWS in memory: what the calls change, it keeps; a call can be made to fail before or after its effect.

use std::collections::BTreeMap;
use std::sync::Mutex;

use portcullis_discovery::{
    Account, Answer, ApiHead, Authorization, AuthorizationKind, Authorizer, AuthorizerKind,
    AuthorizerSpec, AwsApis, AwsError, BindingState, Deployed, FunctionArn, FunctionView, Identity,
    InvokePermission, Page, Protocol, RestAuthorizerType, Route, RouteRef, Selection, Stage,
    Target, read_account, read_function,
};

pub(crate) const ACCOUNT: &str = "123456789012";
pub(crate) const REGION: &str = "eu-central-1";

pub(crate) fn function(name: &str) -> FunctionArn {
    FunctionArn::parse(&format!(
        "arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    ))
    .unwrap()
}

pub(crate) fn target() -> Target {
    Target::new(function("authorizer"), AuthorizerSpec::default()).unwrap()
}

/// What a stage of the fake serves.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FakeStage {
    pub(crate) name: String,
    pub(crate) auto_deploy: bool,
    pub(crate) deployed: Option<BTreeMap<String, Authorization>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FakeApi {
    pub(crate) head: ApiHead,
    pub(crate) routes: Vec<Route>,
    pub(crate) authorizers: Vec<Authorizer>,
    pub(crate) stages: Vec<FakeStage>,
}

impl FakeApi {
    pub(crate) fn new(id: &str, protocol: Protocol, keys: &[&str]) -> Self {
        let routes = keys.iter().map(|key| {
            let (method, path) = key.split_once(' ').unwrap_or(("", key));
            let reference = match protocol {
                Protocol::Rest => RouteRef::Method {
                    resource: format!("r{path}"),
                    method: method.to_owned(),
                },
                _ => RouteRef::Route {
                    id: format!("id {key}"),
                },
            };
            Route {
                reference,
                method: method.to_owned(),
                path: path.to_owned(),
                authorization: Authorization::NONE,
                api_key_required: false,
            }
        });
        Self {
            head: ApiHead {
                id: id.to_owned(),
                name: format!("the {id}"),
                protocol,
                tags: BTreeMap::new(),
                endpoint_disabled: false,
            },
            routes: routes.collect(),
            authorizers: Vec::new(),
            stages: Vec::new(),
        }
    }

    pub(crate) fn route(&mut self, key: &str) -> &mut Route {
        self.routes.iter_mut().find(|one| one.key() == key).unwrap()
    }

    pub(crate) fn authorized(mut self, key: &str, to: Authorization) -> Self {
        self.route(key).authorization = to;
        self
    }

    /// With a stage that serves the draft as it is now.
    pub(crate) fn deployed(mut self, stage: &str) -> Self {
        let deployed = Some(self.snapshot());
        self.stages.push(FakeStage {
            name: stage.to_owned(),
            auto_deploy: false,
            deployed,
        });
        self
    }

    pub(crate) fn auto_deployed(mut self) -> Self {
        self.stages.push(FakeStage {
            name: "$default".to_owned(),
            auto_deploy: true,
            deployed: None,
        });
        self
    }

    pub(crate) fn with(mut self, authorizer: Authorizer) -> Self {
        self.authorizers.push(authorizer);
        self
    }

    pub(crate) fn snapshot(&self) -> BTreeMap<String, Authorization> {
        let routes = self.routes.iter();
        routes
            .map(|one| (one.key(), one.authorization.clone()))
            .collect()
    }

    /// What a caller of a stage meets at a route.
    pub(crate) fn served(&self, stage: &str, key: &str) -> Option<Authorization> {
        let stage = self.stages.iter().find(|one| one.name == stage).unwrap();
        if stage.auto_deploy {
            return self.snapshot().get(key).cloned();
        }
        stage.deployed.as_ref()?.get(key).cloned()
    }
}

pub(crate) fn lambda(id: &str, name: &str, calls: &str) -> Authorizer {
    Authorizer {
        id: id.to_owned(),
        name: name.to_owned(),
        kind: AuthorizerKind::Request,
        function: Some(function(calls)),
        identity_sources: vec!["method.request.header.Authorization".to_owned()],
        ttl: 0,
        payload_format: None,
        simple_responses: false,
        has_role: false,
    }
}

/// What there is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct World {
    pub(crate) apis: Vec<FakeApi>,
    pub(crate) functions: BTreeMap<FunctionArn, FunctionView>,
}

impl World {
    pub(crate) fn new(apis: Vec<FakeApi>) -> Self {
        let view = FunctionView {
            is_portcullis: true,
            decision_point: Some("oauth".to_owned()),
            ..FunctionView::default()
        };
        Self {
            apis,
            functions: BTreeMap::from([(function("authorizer"), view)]),
        }
    }

    pub(crate) fn api(&self, id: &str) -> &FakeApi {
        self.apis.iter().find(|api| api.head.id == id).unwrap()
    }
}

/// When the change with that number (from 1) fails.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Failure {
    Before(usize),
    After(usize),
}

#[derive(Debug)]
pub(crate) struct FakeAws {
    world: Mutex<World>,
    changes: Mutex<usize>,
    failure: Option<Failure>,
    made: Mutex<usize>,
    pub(crate) page: usize,
}

impl FakeAws {
    pub(crate) fn new(world: World) -> Self {
        Self {
            world: Mutex::new(world),
            changes: Mutex::new(0),
            failure: None,
            made: Mutex::new(0),
            page: 2,
        }
    }

    pub(crate) fn failing(world: World, failure: Failure) -> Self {
        Self {
            failure: Some(failure),
            ..Self::new(world)
        }
    }

    pub(crate) fn world(&self) -> World {
        self.world.lock().unwrap().clone()
    }

    /// How many changes were made.
    pub(crate) fn changes(&self) -> usize {
        *self.changes.lock().unwrap()
    }

    pub(crate) async fn read(&self, selection: &Selection) -> Account {
        let mut account = read_account(self, selection, |_| ()).await.unwrap();
        read_function(self, &mut account, &function("authorizer"))
            .await
            .unwrap();
        account
    }

    fn page<T>(&self, items: Vec<T>, page: Option<&str>) -> Page<T> {
        let from: usize = page.map_or(0, |page| page.parse().unwrap());
        let total = items.len();
        let next = (from + self.page < total).then(|| (from + self.page).to_string());
        let items = items.into_iter().skip(from).take(self.page).collect();
        Page { items, next }
    }

    fn change<T>(
        &self,
        call: &'static str,
        make: impl FnOnce(&mut World) -> Answer<T>,
    ) -> Answer<T> {
        let lost = || AwsError::Unreachable {
            call,
            message: "made to fail".to_owned(),
        };
        let mut changes = self.changes.lock().unwrap();
        *changes += 1;
        if self.failure == Some(Failure::Before(*changes)) {
            return Err(lost());
        }
        let answer = make(&mut self.world.lock().unwrap());
        if self.failure == Some(Failure::After(*changes)) {
            return Err(lost());
        }
        answer
    }

    fn change_api<T>(
        &self,
        call: &'static str,
        id: &str,
        make: impl FnOnce(&mut FakeApi) -> Answer<T>,
    ) -> Answer<T> {
        self.change(call, |world| {
            let found = world.apis.iter_mut().find(|api| api.head.id == id);
            make(found.ok_or(AwsError::NotFound {
                call,
                message: id.to_owned(),
            })?)
        })
    }

    fn look<T>(&self, api: &ApiHead, look: impl FnOnce(&FakeApi) -> T) -> T {
        look(self.world.lock().unwrap().api(&api.id))
    }

    fn heads(&self, rest: bool) -> Vec<ApiHead> {
        let world = self.world.lock().unwrap();
        let wanted = world
            .apis
            .iter()
            .filter(|api| (api.head.protocol == Protocol::Rest) == rest);
        wanted.map(|api| api.head.clone()).collect()
    }
}

impl AwsApis for FakeAws {
    async fn identity(&self) -> Answer<Identity> {
        Ok(Identity {
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            partition: "aws".to_owned(),
        })
    }

    async fn rest_apis(&self, page: Option<&str>) -> Answer<Page<ApiHead>> {
        Ok(self.page(self.heads(true), page))
    }

    async fn v2_apis(&self, page: Option<&str>) -> Answer<Page<ApiHead>> {
        Ok(self.page(self.heads(false), page))
    }

    async fn routes(&self, api: &ApiHead, page: Option<&str>) -> Answer<Page<Route>> {
        Ok(self.page(self.look(api, |api| api.routes.clone()), page))
    }

    async fn authorizers(&self, api: &ApiHead, page: Option<&str>) -> Answer<Page<Authorizer>> {
        Ok(self.page(self.look(api, |api| api.authorizers.clone()), page))
    }

    async fn stages(
        &self,
        api: &ApiHead,
        page: Option<&str>,
    ) -> Answer<Page<(Stage, Option<String>)>> {
        let stages = self
            .look(api, |api| api.stages.clone())
            .into_iter()
            .map(|stage| {
                let deployment = stage.deployed.is_some().then(|| stage.name.clone());
                let read = Stage {
                    name: stage.name,
                    auto_deploy: stage.auto_deploy,
                    deployed: Deployed::Unknown,
                };
                (read, deployment)
            });
        Ok(self.page(stages.collect(), page))
    }

    async fn deployed(&self, api: &ApiHead, deployment: &str) -> Answer<Deployed> {
        if api.protocol != Protocol::Rest {
            return Ok(Deployed::Unknown);
        }
        let stage = self.look(api, |api| {
            api.stages
                .iter()
                .find(|one| one.name == deployment)
                .cloned()
        });
        let routes = stage.unwrap().deployed.unwrap().into_iter();
        let kinds = routes.map(|(key, authorization)| (key, Some(authorization.kind)));
        Ok(Deployed::Routes(kinds.collect()))
    }

    async fn function(&self, function: &FunctionArn) -> Answer<Option<FunctionView>> {
        Ok(self.world.lock().unwrap().functions.get(function).cloned())
    }

    async fn create_authorizer(
        &self,
        protocol: Protocol,
        api: &str,
        spec: &AuthorizerSpec,
        function: &FunctionArn,
    ) -> Answer<String> {
        let mut made = self.made.lock().unwrap();
        *made += 1;
        let id = format!("made{made}");
        self.change_api("CreateAuthorizer", api, |api| {
            if api.authorizers.iter().any(|one| one.name == spec.name) {
                return Err(AwsError::Conflict {
                    call: "CreateAuthorizer",
                    message: "name".to_owned(),
                });
            }
            api.authorizers.push(Authorizer {
                id: id.clone(),
                name: spec.name.clone(),
                kind: match (protocol, spec.rest_type) {
                    (Protocol::Rest, RestAuthorizerType::Token) => AuthorizerKind::Token,
                    _ => AuthorizerKind::Request,
                },
                function: Some(function.clone()),
                identity_sources: spec.identity_sources(protocol),
                ttl: spec.ttl,
                payload_format: (protocol == Protocol::Http).then(|| spec.http_payload.to_owned()),
                simple_responses: spec.simple_responses,
                has_role: false,
            });
            Ok(id)
        })
    }

    async fn delete_authorizer(&self, _: Protocol, api: &str, authorizer: &str) -> Answer<()> {
        self.change_api("DeleteAuthorizer", api, |api| {
            let used = |one: &Route| one.authorization.authorizer.as_deref() == Some(authorizer);
            if api.routes.iter().any(used) {
                return Err(AwsError::Conflict {
                    call: "DeleteAuthorizer",
                    message: "in use".to_owned(),
                });
            }
            api.authorizers.retain(|one| one.id != authorizer);
            Ok(())
        })
    }

    async fn authorize(
        &self,
        api: &str,
        route: &RouteRef,
        from: &Authorization,
        to: &Authorization,
    ) -> Answer<()> {
        self.change_api("UpdateMethod", api, |api| {
            let found = api
                .routes
                .iter_mut()
                .find(|one| one.reference == *route)
                .unwrap();
            assert_eq!(found.authorization, *from, "the plan knows what is there");
            found.authorization = to.clone();
            Ok(())
        })
    }

    async fn add_permission(
        &self,
        function: &FunctionArn,
        statement: &str,
        source_arn: &str,
    ) -> Answer<()> {
        self.change("AddPermission", |world| {
            let view = world.functions.get_mut(function).unwrap();
            let there = |one: &InvokePermission| one.statement.as_deref() == Some(statement);
            if view.permissions.iter().any(there) {
                return Err(AwsError::Conflict {
                    call: "AddPermission",
                    message: statement.to_owned(),
                });
            }
            view.permissions.push(InvokePermission {
                statement: Some(statement.to_owned()),
                sources: vec![source_arn.to_owned()],
                one_account: false,
                anyone: false,
            });
            Ok(())
        })
    }

    async fn remove_permission(&self, function: &FunctionArn, statement: &str) -> Answer<()> {
        self.change("RemovePermission", |world| {
            let view = world.functions.get_mut(function).unwrap();
            view.permissions
                .retain(|one| one.statement.as_deref() != Some(statement));
            Ok(())
        })
    }

    async fn deploy(&self, _: Protocol, api: &str, stage: &str, _: &str) -> Answer<()> {
        self.change_api("CreateDeployment", api, |api| {
            let draft = api.snapshot();
            let found = api.stages.iter_mut().find(|one| one.name == stage).unwrap();
            assert!(
                !found.auto_deploy,
                "a stage that deploys by itself refuses deployments"
            );
            found.deployed = Some(draft);
            Ok(())
        })
    }

    async fn tag(&self, _: Protocol, api: &str, key: &str, value: &str) -> Answer<()> {
        self.change_api("TagResource", api, |api| {
            api.head.tags.insert(key.to_owned(), value.to_owned());
            Ok(())
        })
    }

    async fn untag(&self, _: Protocol, api: &str, key: &str) -> Answer<()> {
        self.change_api("UntagResource", api, |api| {
            api.head.tags.remove(key);
            Ok(())
        })
    }
}

/// Runs a future of the fake, which never waits.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

pub(crate) fn fresh(account: &Account) -> BindingState {
    BindingState::new(account)
}

pub(crate) fn custom(id: &str) -> Authorization {
    Authorization::custom(id)
}

pub(crate) fn of_kind(kind: AuthorizationKind) -> Authorization {
    Authorization {
        kind,
        authorizer: None,
        scopes: Vec::new(),
    }
}
