//! A device with its local API.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use api_types::client::Client;
use api_types::{ErrorBody, Event, Payment};
use blepayd::api::server;
use blepayd::api::state::{ApiState, TaUse};
use journal::Book;
use radio::sockets::SimAir;
use runtime::shutdown::Shutdown;
use serde_json::Value;
use sync::{Sync, connectivity};

use crate::provider::Provider;
use crate::{Bank, Device, Faults, Kind};

/// A device with its API.
pub struct Till {
    pub device: Device,
    pub client: Client,
    pub socket: PathBuf,
    _shutdown: Shutdown,
}

impl Till {
    /// Opens a device that is registered.
    pub async fn open(bank: &Bank, world: &Path, name: &str, kind: Kind) -> Self {
        let device = Device::new(bank, world, name, kind).await;

        Self::serve(device, world, name, kind)
    }

    /// As [`Self::open`], of a device that is registered with a server.
    pub async fn registered(provider: &Provider, world: &Path, name: &str, kind: Kind) -> Self {
        let device = provider.device(world, name, kind).await;

        Self::serve(device, world, name, kind)
    }

    /// Opens a device that no provider knows.
    pub async fn unregistered(world: &Path, name: &str, kind: Kind) -> Self {
        let air = SimAir::new(world.join("air"));
        let device = Device::start(world.join(name), air, kind, Faults::NONE).await;

        Self::serve(device, world, name, kind)
    }

    fn serve(device: Device, world: &Path, name: &str, kind: Kind) -> Self {
        let ta_use = TaUse::open(&world.join(name));
        if kind == Kind::WithoutTa {
            ta_use.renounce().expect("written");
        }
        let shutdown = Shutdown::new();
        let hints = connectivity::watch(&shutdown);
        let sync = Sync::start(device.wallet.clone(), ta_use.watch(), hints, &shutdown);
        let socket = world.join(format!("{name}.sock"));
        let listener = server::bind(&socket, None).expect("bound");
        let (wallet, sim) = (device.wallet.clone(), Arc::clone(&device.radio));
        let state = ApiState::new(wallet, sync, ta_use, Some(sim), shutdown.clone());
        let stop = shutdown.stop();
        shutdown.spawn(async move {
            server::serve(listener, Arc::new(state), stop)
                .await
                .expect("served");
        });

        Self {
            device,
            client: Client::new(&socket),
            socket,
            _shutdown: shutdown,
        }
    }

    /// Posts a body.
    ///
    /// # Errors
    ///
    /// The refusal.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, ErrorBody> {
        let answer = self.client.post(path, body).await;

        answer.map_err(|error| error.body())
    }

    /// Returns the tag of whoever asks for money near here.
    pub async fn hear(&self) -> String {
        let heard: Vec<Value> = self
            .client
            .get("/v1/nearby?seconds=3")
            .await
            .expect("listened");

        let tag = heard.first().and_then(|nearby| nearby.get("tag")?.as_str());
        tag.expect("somebody asks").to_owned()
    }

    /// Pays without confirmation and returns the last state.
    pub async fn pay(&self, order: &Value) -> Payment {
        let started: Payment = self
            .client
            .post("/v1/payments", order)
            .await
            .expect("begun");
        let path = format!("/v1/payments/{}/events", started.id);
        let mut events = self.client.events(&path).await.expect("followed");
        let mut last = started;
        while let Some(event) = events.next().await.expect("events") {
            if let Event::Payment { payment } = event {
                last = payment;
            }
        }

        last
    }

    pub fn book(&self) -> Book {
        self.device.wallet.journal().view(Book::clone)
    }
}
