//! Settings of `blepayd`: built-in defaults, then the file, then `BLEPAY__…` variables.
//!
//! `BLEPAY__RADIO__KIND=sim` sets `kind` in the section `[radio]`. A setting that is not known is an
//! error that names it, since a misspelt limit is worse than none.

use std::path::{Path, PathBuf};

use config::{Config as Layers, Environment, File, FileFormat};
use radio::sockets::SimAir;
use serde::Deserialize;

/// Where the file lies unless told otherwise.
pub const CONFIG_FILE: &str = "/etc/blepay/blepayd.toml";

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where journal and client key are; `$STATE_DIRECTORY` or `/var/lib/blepay` by default.
    #[serde(default = "state_directory")]
    pub state_directory: PathBuf,
    #[serde(default)]
    pub api: ApiConfig,
    #[serde(default)]
    pub ta: TaConfig,
    #[serde(default)]
    pub radio: RadioConfig,
    /// Which payments need no confirmation.
    #[serde(default)]
    pub policy: PolicyConfig,
    #[serde(default)]
    pub log: LogConfig,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfig {
    /// Where to listen, unless systemd hands a socket in.
    pub socket: PathBuf,
    /// Who may use it beside root and the daemon's user; the daemon's own group by default.
    pub group: Option<String>,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            socket: PathBuf::from("/run/blepay/api.sock"),
            group: None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum TaConfig {
    /// `blepay-ta`, a process of its own.
    Socket {
        /// Where it listens.
        #[serde(default = "ta_socket")]
        path: PathBuf,
    },
    /// Inside this process, for development.
    InProcess {
        /// Where its sealed state is; `ta` in the state directory by default.
        directory: Option<PathBuf>,
    },
}

impl Default for TaConfig {
    fn default() -> Self {
        Self::Socket { path: ta_socket() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RadioConfig {
    /// Bluetooth LE.
    Bluez {
        /// The adapter, such as `hci0`; the first one by default.
        adapter: Option<String>,
    },
    /// A folder of Unix sockets, for development and tests.
    Sim(SimAir),
}

impl Default for RadioConfig {
    fn default() -> Self {
        Self::Bluez { adapter: None }
    }
}

/// `[policy]`. Payees are named with `blepay trust`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyConfig {
    /// The largest sum in one day (UTC) that is paid to scanned URIs without asking, in minor units of
    /// the wallet's currency; 0, the default, asks always.
    pub scanned_daily_max: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// What to log, as in `info,radio=debug`.
    pub filter: String,
    /// How.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            format: LogFormat::Auto,
        }
    }
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// The journal under systemd, else text.
    Auto,
    /// Lines of text on stderr.
    Text,
    /// Lines of JSON on stderr.
    Json,
}

impl Config {
    /// Reads the settings. A missing file is an error only when the caller named it.
    ///
    /// # Errors
    ///
    /// [`ConfigRefused`] names the file and the setting.
    pub fn load(named: Option<&Path>) -> Result<Self, ConfigRefused> {
        let path = named.unwrap_or_else(|| Path::new(CONFIG_FILE));
        let file = File::new(&path.to_string_lossy(), FileFormat::Toml).required(named.is_some());

        Self::from_layers(Layers::builder().add_source(file), path)
    }

    fn from_layers(
        layers: config::ConfigBuilder<config::builder::DefaultState>,
        path: &Path,
    ) -> Result<Self, ConfigRefused> {
        let variables = Environment::with_prefix("BLEPAY")
            .prefix_separator("__")
            .separator("__")
            .try_parsing(true);
        let refused = |reason: config::ConfigError| ConfigRefused {
            path: path.to_owned(),
            reason: reason.to_string(),
        };

        layers
            .add_source(variables)
            .build()
            .and_then(Layers::try_deserialize)
            .map_err(refused)
    }
}

/// The settings cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the settings in {} cannot be used: {reason}", path.display())]
pub struct ConfigRefused {
    pub path: PathBuf,
    /// What is wrong, with the setting's name.
    pub reason: String,
}

fn state_directory() -> PathBuf {
    std::env::var_os("STATE_DIRECTORY")
        .map_or_else(|| PathBuf::from("/var/lib/blepay"), PathBuf::from)
}

fn ta_socket() -> PathBuf {
    PathBuf::from("/run/blepay-ta/ta.sock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_default() {
        let config = parse("").expect("nothing is needed");

        assert_eq!(config.api, ApiConfig::default());
        assert_eq!(config.ta, TaConfig::default());
        assert_eq!(config.radio, RadioConfig::Bluez { adapter: None });
        assert_eq!(
            config.policy.scanned_daily_max, 0,
            "the owner allows a sum first"
        );
    }

    #[test]
    fn the_simulated_radio_takes_its_settings() {
        let config = parse("[radio]\nkind = \"sim\"\ndir = \"/tmp/air\"\nmtu = 23\n");

        let radio = config.expect("well formed").radio;
        assert!(matches!(radio, RadioConfig::Sim(air) if air.mtu == 23));
    }

    #[test]
    fn a_misspelt_setting_is_refused_by_name() {
        for text in [
            "sokcet = 1",
            "[api]\nsokcet = \"x\"",
            "[radio]\nkind = \"bluez\"\nsokcet = \"hci7\"",
            "[radio]\nkind = \"sim\"\ndir = \"/tmp\"\nsokcet = 1",
        ] {
            let refused = parse(text).expect_err("a misspelling");
            assert!(refused.to_string().contains("sokcet"), "{refused}");
        }
    }

    fn parse(text: &str) -> Result<Config, ConfigRefused> {
        let file = File::from_str(text, FileFormat::Toml);

        Config::from_layers(Layers::builder().add_source(file), Path::new("test"))
    }
}
