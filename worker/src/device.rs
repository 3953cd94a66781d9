//! What a run may use of this machine: `--device auto|cpu|cuda:N|metal` and `--memory-limit`.

use crate::memory;
use candle_core::Device;
use shared::event::ErrorBody;
use shared::wire::DeviceCard;
use std::ffi::OsString;
use std::fmt;
use std::str::FromStr;

/// Options of every command that runs a model. Jobs of a worker find them in their environment.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Machine {
    /// Where the model runs: auto, cpu, cuda:N or metal.
    #[arg(long, global = true, value_name = "DEVICE", env = "STEERAGE_DEVICE", default_value_t)]
    pub device: DeviceChoice,
    /// Memory that a run may take, as in 6GiB; what is free on the machine otherwise.
    #[arg(
        long = "memory-limit",
        global = true,
        value_name = "SIZE",
        env = "STEERAGE_MEMORY_LIMIT",
        value_parser = memory::parse_size
    )]
    pub memory_limit_bytes: Option<usize>,
}

impl Machine {
    /// The same options for a child process.
    pub fn env(&self) -> Vec<(OsString, OsString)> {
        let device = ("STEERAGE_DEVICE".into(), self.device.to_string().into());
        let limit = self.memory_limit_bytes.map(|limit| ("STEERAGE_MEMORY_LIMIT".into(), limit.to_string().into()));
        std::iter::once(device).chain(limit).collect()
    }
}

/// What the user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first GPU that this program was built for and that answers, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA device with this number.
    Cuda(usize),
    /// Apple's GPU.
    Metal,
}

/// Why there is no such device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The text is no device.
    #[error("expected auto, cpu, cuda:N or metal, found \"{0}\"")]
    Unknown(String),
    /// The program cannot use it.
    #[error("{device} needs a program built with --features {feature}; docs/gpu.md says how")]
    NotBuilt {
        /// What was asked for.
        device: DeviceChoice,
        /// The feature of cargo.
        feature: &'static str,
    },
    /// The device or its driver does not answer.
    #[error("{device} does not answer: {reason}")]
    Unavailable {
        /// What was asked for.
        device: DeviceChoice,
        /// Why.
        reason: String,
    },
}

impl From<DeviceError> for ErrorBody {
    fn from(error: DeviceError) -> Self {
        ErrorBody::new("bad_device", error.to_string()).with_hint("--device cpu always works")
    }
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let unknown = || DeviceError::Unknown(text.to_owned());
        match text {
            "auto" => Ok(DeviceChoice::Auto),
            "cpu" => Ok(DeviceChoice::Cpu),
            "metal" => Ok(DeviceChoice::Metal),
            "cuda" => Ok(DeviceChoice::Cuda(0)),
            _ => {
                let number = text.strip_prefix("cuda:").ok_or_else(unknown)?;
                number.parse().map(DeviceChoice::Cuda).map_err(|_| unknown())
            }
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceChoice::Auto => f.write_str("auto"),
            DeviceChoice::Cpu => f.write_str("cpu"),
            DeviceChoice::Cuda(number) => write!(f, "cuda:{number}"),
            DeviceChoice::Metal => f.write_str("metal"),
        }
    }
}

impl DeviceChoice {
    /// Opens it.
    pub fn open(self) -> Result<Device, DeviceError> {
        let tried = match self {
            DeviceChoice::Cpu => return Ok(Device::Cpu),
            DeviceChoice::Auto => {
                let gpus = [DeviceChoice::Cuda(0), DeviceChoice::Metal];
                return Ok(gpus.into_iter().find_map(|gpu| gpu.open().ok()).unwrap_or(Device::Cpu));
            }
            DeviceChoice::Cuda(_) if !cfg!(feature = "cuda") => {
                return Err(DeviceError::NotBuilt { device: self, feature: "cuda" });
            }
            DeviceChoice::Metal if !cfg!(feature = "metal") => {
                return Err(DeviceError::NotBuilt { device: self, feature: "metal" });
            }
            // Without a driver the CUDA bindings panic instead of answering.
            DeviceChoice::Cuda(number) => without_panic(|| Device::new_cuda(number)),
            DeviceChoice::Metal => without_panic(|| Device::new_metal(0)),
        };
        let unavailable = |reason: String| DeviceError::Unavailable { device: self, reason };
        match tried {
            Ok(Ok(device)) => Ok(device),
            Ok(Err(error)) => Err(unavailable(error.to_string().lines().next().unwrap_or_default().to_owned())),
            Err(_) => Err(unavailable("no driver was found".to_owned())),
        }
    }

    /// What a worker says of it. The device is opened to see whether it answers, and let go.
    pub fn card(self) -> DeviceCard {
        let opened = self.open();
        let name = match (&opened, self) {
            (Ok(Device::Cpu), _) => DeviceChoice::Cpu,
            (Ok(Device::Cuda(_)), DeviceChoice::Auto) => DeviceChoice::Cuda(0),
            (Ok(Device::Metal(_)), DeviceChoice::Auto) => DeviceChoice::Metal,
            (Ok(_) | Err(_), asked) => asked,
        };
        DeviceCard { name: name.to_string(), problem: opened.err().map(|error| error.to_string()) }
    }
}

/// Runs what may panic where no driver is, without the report that a panic prints: it is no bug, and with
/// `auto` no error either. Models are opened at the start of a command, before there are threads whose
/// panics this could hide.
fn without_panic<T>(open: impl FnOnce() -> T + std::panic::UnwindSafe) -> std::thread::Result<T> {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let opened = std::panic::catch_unwind(open);
    std::panic::set_hook(report);
    opened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_names() {
        for name in ["auto", "cpu", "cuda:0", "cuda:3", "metal"] {
            assert_eq!(name.parse::<DeviceChoice>().unwrap().to_string(), name);
        }
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
        for wrong in ["", "gpu", "cuda:", "cuda:x", "CPU"] {
            assert_eq!(wrong.parse::<DeviceChoice>(), Err(DeviceError::Unknown(wrong.to_owned())));
        }
    }

    #[cfg(not(any(feature = "cuda", feature = "metal")))]
    #[test]
    fn a_program_without_gpus_says_so() {
        assert!(matches!(DeviceChoice::Auto.open(), Ok(Device::Cpu)));
        let error = DeviceChoice::Cuda(0).open().unwrap_err().to_string();
        assert_eq!(error, "cuda:0 needs a program built with --features cuda; docs/gpu.md says how");
        assert_eq!(DeviceChoice::Auto.card(), DeviceCard { name: "cpu".to_owned(), problem: None });
        assert_eq!(DeviceChoice::Cuda(0).card(), DeviceCard { name: "cuda:0".to_owned(), problem: Some(error) });
    }
}
