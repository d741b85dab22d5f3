//! Panics of this thread, taken down instead of printed.

use std::cell::{Cell, RefCell};
use std::panic;

thread_local! {
    static HEARD: RefCell<Vec<(String, String)>> = const { RefCell::new(Vec::new()) };
    static LISTENS: Cell<bool> = const { Cell::new(false) };
}

/// Takes down, from here on, what panics in threads that [`listen`].
pub(crate) fn install() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !LISTENS.try_with(Cell::get).unwrap_or(false) {
            before(info);
            return;
        }
        let place = info.location().map(ToString::to_string);
        let message = info.payload_as_str().unwrap_or("no message").to_owned();
        HEARD.with(|heard| {
            heard
                .borrow_mut()
                .push((place.unwrap_or_default(), message))
        });
    }));
}

/// Takes down what panics in this thread, from here on.
pub(crate) fn listen() {
    LISTENS.with(|listens| listens.set(true));
}

/// Returns where what panicked since this was last asked.
pub(crate) fn take() -> Vec<(String, String)> {
    HEARD.with(|heard| std::mem::take(&mut *heard.borrow_mut()))
}
