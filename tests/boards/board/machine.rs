//! A board's machine, as QEMU's options: processor, memory, devices, and what they are wired to.

use std::path::{Path, PathBuf};

use crate::cache::Image;

const MEMORY_MIB: u32 = 1024;
/// Its `rep` instructions move one byte at a time when they are emulated: with them hidden, here and in the
/// kernel's options by their numbers, everybody moves vectors and words instead.
const PROCESSOR: &str = "max,-erms,-fsrm";
/// The processor is emulated: what only guards against other guests or measures itself at the start is left out.
const KERNEL_OPTIONS: &str = "console=ttyS0 root=/dev/vda rw quiet panic=-1 net.ifnames=0 mitigations=off cryptomgr.notests tsc=reliable clearcpuid=112,297";
/// Where a board stops whose memory is kept: before its radio and the disk of a run.
const KEPT_TARGET: &str = "systemd.unit=multi-user.target";

/// How a machine begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum Begin<'a> {
    /// From its disk.
    Boot,
    /// From its disk, with its memory in a file, and without what belongs to one run.
    Keep {
        /// The file.
        memory: &'a Path,
    },
    /// Where another one stopped, whose memory is in the file; what it writes there is its own.
    GoOn {
        /// The file.
        memory: &'a Path,
    },
}

/// What a machine's devices are wired to on the host.
#[derive(Clone, Debug)]
pub(super) struct Wires {
    pub(super) disk: PathBuf,
    pub(super) run_disk: PathBuf,
    pub(super) console: PathBuf,
    pub(super) agent: PathBuf,
    pub(super) monitor: PathBuf,
    pub(super) tpm: PathBuf,
    /// Nothing while there is no air.
    pub(super) radio: Option<PathBuf>,
    /// QEMU's description of the network.
    pub(super) network: String,
}

impl Wires {
    /// Wires to nowhere, for who wants to know what a machine is, whatever it is wired to.
    fn none() -> Self {
        Self {
            disk: PathBuf::new(),
            run_disk: PathBuf::new(),
            console: PathBuf::new(),
            agent: PathBuf::new(),
            monitor: PathBuf::new(),
            tpm: PathBuf::new(),
            radio: None,
            network: String::new(),
        }
    }
}

/// Returns a text that changes when a kept memory no longer fits the machine.
pub(super) fn text() -> String {
    let memory = Path::new("");

    options(&Image::default(), &Wires::none(), Begin::Keep { memory }).join(" ")
}

/// Returns QEMU's options.
pub(super) fn options(image: &Image, wires: &Wires, begin: Begin<'_>) -> Vec<String> {
    let mut options: Vec<String> = Vec::new();
    let mut add = |words: &[&str]| options.extend(words.iter().map(|word| (*word).to_owned()));
    add(&["-accel", "tcg,thread=multi", "-cpu", PROCESSOR, "-smp", "1"]);
    add(&["-m", &MEMORY_MIB.to_string()]);
    add(&["-display", "none", "-no-reboot", "-nodefaults"]);
    add(&["-kernel", &image.kernel.to_string_lossy()]);
    add(&["-initrd", &image.initrd.to_string_lossy()]);
    match begin {
        Begin::Boot => add(&["-append", KERNEL_OPTIONS]),
        Begin::Keep { memory } => {
            add(&["-append", &format!("{KERNEL_OPTIONS} {KEPT_TARGET}")]);
            add(&["-machine", "pc,memory-backend=memory"]);
            add(&["-object", &memory_in(memory, "on")]);
        }
        Begin::GoOn { memory } => {
            add(&["-append", &format!("{KERNEL_OPTIONS} {KEPT_TARGET}")]);
            add(&["-machine", "pc,memory-backend=memory"]);
            add(&["-object", &memory_in(memory, "off")]);
            add(&["-incoming", "defer"]);
        }
    }
    for (option, value) in devices(wires) {
        add(&[option, &value]);
    }

    options
}

fn memory_in(file: &Path, is_shared: &str) -> String {
    format!(
        "memory-backend-file,id=memory,size={MEMORY_MIB}M,share={is_shared},mem-path={}",
        file.display()
    )
}

fn devices(wires: &Wires) -> Vec<(&'static str, String)> {
    // A flush need not reach the host's disk: the board loses power, the host does not, and what the
    // board had not written to its disk is lost all the same.
    let disk = |path: &Path, more: &str| {
        format!(
            "file={},if=virtio,format=raw,cache=unsafe{more}",
            path.display()
        )
    };
    let socket = |id: &str, path: &Path| {
        format!("socket,id={id},path={},server=on,wait=off", path.display())
    };
    let radio = match &wires.radio {
        Some(path) => format!("socket,id=radio,path={}", path.display()),
        None => "null,id=radio".to_owned(),
    };
    vec![
        (
            "-chardev",
            format!("file,id=console,path={},append=on", wires.console.display()),
        ),
        ("-serial", "chardev:console".to_owned()),
        ("-chardev", radio),
        ("-serial", "chardev:radio".to_owned()),
        ("-drive", disk(&wires.disk, "")),
        ("-drive", disk(&wires.run_disk, ",readonly=on")),
        ("-device", "virtio-rng-pci".to_owned()),
        // Tells the kernel that it goes on in another machine: it forgets its random numbers at once.
        ("-device", "vmgenid,guid=auto".to_owned()),
        ("-device", "virtio-serial-pci".to_owned()),
        ("-chardev", socket("agent", &wires.agent)),
        (
            "-device",
            "virtserialport,chardev=agent,name=org.qemu.guest_agent.0".to_owned(),
        ),
        ("-chardev", socket("monitor", &wires.monitor)),
        ("-mon", "chardev=monitor,mode=control".to_owned()),
        (
            "-chardev",
            format!("socket,id=tpm,path={}", wires.tpm.display()),
        ),
        ("-tpmdev", "emulator,id=tpm0,chardev=tpm".to_owned()),
        ("-device", "tpm-tis,tpmdev=tpm0".to_owned()),
        ("-netdev", wires.network.clone()),
        ("-device", "virtio-net-pci,netdev=net".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_from_a_kept_memory_is_the_machine_that_left_it() {
        let memory = Path::new("memory");
        let of = |begin| options(&Image::default(), &Wires::none(), begin).join(" ");

        let kept = of(Begin::Keep { memory });
        let goes_on = of(Begin::GoOn { memory });

        assert_ne!(kept, goes_on);
        assert_eq!(
            kept,
            goes_on
                .replace("share=off", "share=on")
                .replace(" -incoming defer", "")
        );
    }
}
