//! Our pictures against those of a browser.
//!
//! A headless Chromium opens a plain WebRTC page (`page.js`) that does what the test tells it over
//! a socket. Its frames are sealed the way official web clients do it (`worker.js`, written from
//! the specification), so it stands for one of them.

mod chromium;
mod direct;
mod meeting;
mod page;
mod pictures;
