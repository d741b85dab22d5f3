//! The network between devices and servers: requests and answers that are late, lost or sent twice.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use futures::FutureExt as _;
use host::world::Exchange;
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;
use tower::ServiceExt as _;

use crate::executor::{Executor, Node};
use crate::rng::Rng;

/// How the network is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NetConditions {
    /// Of a thousand requests, how many do not arrive.
    pub(crate) requests_lost: u64,
    /// Of a thousand answers, how many do not arrive.
    pub(crate) answers_lost: u64,
    /// Of a thousand requests, how many arrive twice.
    pub(crate) requests_twice: u64,
    /// Of a thousand requests, how many take as long as a device waits, or longer.
    pub(crate) late: u64,
}

/// A request that a server answered.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    /// The path.
    pub(crate) path: String,
    /// What was sent.
    pub(crate) request: Vec<u8>,
    /// The status of HTTP.
    pub(crate) status: u16,
    /// What was answered.
    pub(crate) answer: Vec<u8>,
    /// Whether the answer reached who asked.
    pub(crate) has_arrived: bool,
}

/// The network.
pub(crate) struct Net {
    dice: RefCell<Rng>,
    conditions: Cell<NetConditions>,
    servers: RefCell<BTreeMap<String, (Node, Router)>>,
    cut_off: RefCell<BTreeSet<Node>>,
    answers_kept_from: RefCell<BTreeSet<(Node, String)>>,
    requests_kept_at: RefCell<BTreeSet<(Node, String)>>,
    answered: Arc<Mutex<Vec<Answered>>>,
    asked: Cell<u64>,
}

/// What becomes of one exchange.
#[derive(Clone, Copy, Debug)]
struct Luck {
    before: Duration,
    after: Duration,
    loses_request: bool,
    loses_answer: bool,
    arrives_twice: bool,
}

impl Luck {
    const fn good() -> Self {
        Self {
            before: Duration::ZERO,
            after: Duration::ZERO,
            loses_request: false,
            loses_answer: false,
            arrives_twice: false,
        }
    }
}

impl Net {
    pub(crate) fn new(dice: Rng) -> Self {
        Self {
            dice: RefCell::new(dice),
            conditions: Cell::default(),
            servers: RefCell::default(),
            cut_off: RefCell::default(),
            answers_kept_from: RefCell::default(),
            requests_kept_at: RefCell::default(),
            answered: Arc::default(),
            asked: Cell::new(0),
        }
    }

    pub(crate) fn set_conditions(&self, conditions: NetConditions) {
        self.conditions.set(conditions);
    }

    /// Cuts a node off, or connects it again.
    pub(crate) fn set_cut_off(&self, node: Node, is_cut_off: bool) {
        let mut cut_off = self.cut_off.borrow_mut();
        if is_cut_off {
            cut_off.insert(node);
        } else {
            cut_off.remove(&node);
        }
    }

    /// Keeps the answers of one path from a node, or lets them arrive again.
    pub(crate) fn keep_answers(&self, node: Node, path: &str, are_kept: bool) {
        let mut kept = self.answers_kept_from.borrow_mut();
        let key = (node, path.to_owned());
        if are_kept {
            kept.insert(key);
        } else {
            kept.remove(&key);
        }
    }

    /// Ends every trouble.
    pub(crate) fn calm(&self) {
        self.conditions.set(NetConditions::default());
        self.cut_off.borrow_mut().clear();
        self.answers_kept_from.borrow_mut().clear();
        self.requests_kept_at.borrow_mut().clear();
    }

    /// Keeps the requests for one path at a node, or lets them leave again.
    pub(crate) fn keep_requests(&self, node: Node, path: &str, are_kept: bool) {
        let mut kept = self.requests_kept_at.borrow_mut();
        let key = (node, path.to_owned());
        if are_kept {
            kept.insert(key);
        } else {
            kept.remove(&key);
        }
    }

    /// Puts a server onto the network, in place of the one that was there.
    pub(crate) fn listen(&self, host: &str, node: Node, router: Router) {
        let before = self
            .servers
            .borrow_mut()
            .insert(host.to_owned(), (node, router));
        drop(before);
    }

    /// Takes a server off the network.
    pub(crate) fn leave(&self, host: &str) {
        let before = self.servers.borrow_mut().remove(host);
        drop(before);
    }

    /// Takes every server off the network.
    pub(crate) fn clear(&self) {
        let before = std::mem::take(&mut *self.servers.borrow_mut());
        drop(before);
    }

    /// Returns how many requests were sent.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.get()
    }

    /// Looks at what was answered so far.
    pub(crate) fn answered<T>(&self, look: impl FnOnce(&[Answered]) -> T) -> T {
        look(&self.answered.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends a request as the node at work, and returns its answer to come.
    pub(crate) fn exchange(
        &self,
        executor: &Executor,
        url: &str,
        body: Option<Vec<u8>>,
    ) -> Exchange {
        self.asked.set(self.asked.get().saturating_add(1));
        let from = executor.node();
        let rest = url.trim_start_matches("https://");
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = format!("/{path}");
        let server = self.servers.borrow().get(host).cloned();
        let Some((node, router)) = server.filter(|_| !self.cut_off.borrow().contains(&from)) else {
            return async { Err("nobody answers".to_owned()) }.boxed();
        };
        let mut luck = self.luck();
        let kept = (from, path.clone());
        luck.loses_answer |= self.answers_kept_from.borrow().contains(&kept);
        luck.loses_request |= self.requests_kept_at.borrow().contains(&kept);
        let (done, answer) = oneshot::channel();
        let one = Carried {
            router,
            path,
            body,
            luck,
            answered: Arc::clone(&self.answered),
        };
        executor.spawn_at(node, one.carry(done).boxed_local());

        async move {
            answer
                .await
                .map_err(|_| "the connection is gone".to_owned())
        }
        .boxed()
    }

    /// Asks once more what was asked before, by a network without any trouble.
    pub(crate) async fn repeat(
        &self,
        executor: &Executor,
        path: &str,
        request: Vec<u8>,
    ) -> (u16, Vec<u8>) {
        let server = self.servers.borrow().values().next().cloned();
        let Some((node, router)) = server else {
            return (0, Vec::new());
        };
        let (done, answer) = oneshot::channel();
        let one = Carried {
            router,
            path: path.to_owned(),
            body: Some(request),
            luck: Luck::good(),
            answered: Arc::clone(&self.answered),
        };
        executor.spawn_at(node, one.carry(done).boxed_local());

        answer.await.unwrap_or_default()
    }

    fn luck(&self) -> Luck {
        let conditions = self.conditions.get();
        let mut dice = self.dice.borrow_mut();
        let is_late = dice.chance(conditions.late);
        let wait = |dice: &mut Rng| Duration::from_millis(dice.between(0, 60));
        let mut before = wait(&mut dice);
        if is_late {
            before = Duration::from_millis(dice.between(10_000, 60_000));
        }

        Luck {
            before,
            after: wait(&mut dice),
            loses_request: dice.chance(conditions.requests_lost),
            loses_answer: dice.chance(conditions.answers_lost),
            arrives_twice: dice.chance(conditions.requests_twice),
        }
    }
}

/// One request on its way.
struct Carried {
    router: Router,
    path: String,
    body: Option<Vec<u8>>,
    luck: Luck,
    answered: Arc<Mutex<Vec<Answered>>>,
}

impl Carried {
    async fn carry(self, done: oneshot::Sender<(u16, Vec<u8>)>) {
        tokio::time::sleep(self.luck.before).await;
        if self.luck.loses_request {
            return;
        }
        if self.luck.arrives_twice {
            let _unheard = self.ask().await;
        }
        let (number, status, answer) = self.ask().await;
        host::trace("answer", &answer);
        tokio::time::sleep(self.luck.after).await;
        if self.luck.loses_answer || done.send((status, answer)).is_err() {
            return;
        }
        if let Some(answered) = self.answered().get_mut(number) {
            answered.has_arrived = true;
        }
    }

    fn answered(&self) -> MutexGuard<'_, Vec<Answered>> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the server, and returns which answer this is.
    async fn ask(&self) -> (usize, u16, Vec<u8>) {
        let method = match self.body {
            Some(_) => Method::POST,
            None => Method::GET,
        };
        let mut request = Request::new(Body::from(self.body.clone().unwrap_or_default()));
        *request.method_mut() = method;
        *request.uri_mut() = self.path.parse().unwrap_or_default();
        let Ok(response) = self.router.clone().oneshot(request).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await;
        let body = body.map(|body| body.to_bytes().to_vec());
        let answer = body.unwrap_or_default();
        let mut answered = self.answered();
        answered.push(Answered {
            path: self.path.clone(),
            request: self.body.clone().unwrap_or_default(),
            status,
            answer: answer.clone(),
            has_arrived: false,
        });

        (answered.len().saturating_sub(1), status, answer)
    }
}
