//! The link breaks at every frame, on either side: one debit, one credit, the same bytes.

use kit::{Bank, Device, Kind, conserved, eventually, pay};
use tempfile::TempDir;
use wallet::{Mode, PaymentEvent, Target};

/// More frames than a payment takes on either side at the largest MTU, so that the last runs are whole.
const FRAMES_MAX: u32 = 8;

#[derive(Clone, Copy, Debug)]
enum Side {
    Payer,
    Payee,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_cut_at_any_frame_leaves_one_debit_and_one_credit() {
    let mut runs = Vec::new();
    for side in [Side::Payer, Side::Payee] {
        for frame in 1..=FRAMES_MAX {
            for mode in [Mode::Announced, Mode::Uri] {
                runs.push(cut_at(side, frame, mode));
            }
        }
    }
    futures::future::join_all(runs).await;
}

async fn cut_at(side: Side, frame: u32, mode: Mode) {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let payee = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let request = payee.request(1250, mode).await;
    let target = || match &request.uri {
        Some(uri) => Target::Uri(Box::new(uri.parse().expect("a URI"))),
        None => Target::Tag(request.tag),
    };
    match side {
        Side::Payer => payer.radio.cut_at_frame(frame),
        Side::Payee => payee.radio.cut_at_frame(frame),
    }

    let last = pay(&payer, target()).await;
    let what = format!("{side:?} cut at frame {frame}, {mode:?}: {last:?}");
    if let PaymentEvent::Failed { .. } = last {
        assert_eq!(payer.outgoing(), Vec::new(), "{what}");
        let again = pay(&payer, target()).await;
        assert!(
            matches!(again, PaymentEvent::Paid { .. }),
            "{what}, {again:?}"
        );
    }

    eventually(&what, || async { payer.receipts() == 1 }).await;
    assert_eq!(payer.outgoing().len(), 1, "{what}");
    assert_eq!(payee.balance().await, 11_250, "{what}");
    conserved(&payer, &payee, 20_000).await;
}
