//! Each behaviour that a faithful Clientmodul has to show, by the letters of the list that KIM-38 asks
//! for: (a) to (e) who gets in and how, (f) to (h) sending, (i) to (l) reading.

mod control;
mod plain_client;
mod reading;
mod sending;
mod sessions;
mod welcome;
