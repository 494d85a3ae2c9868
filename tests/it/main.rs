//! What the gateway does as a whole, on real servers.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has found what it looked for"
)]

// Takes longest, and begins first by its name.
mod a_day_in_the_practice;
mod absence;
mod accounts;
mod after_unclear;
mod answered;
mod answers;
mod audience;
mod away;
mod bad_input;
mod black_hole;
mod both_roads;
mod check;
mod cli;
mod clientmodul;
mod clocks;
mod commands;
mod crypto_store;
mod damage;
mod databases;
mod directory;
mod docs;
mod doors;
mod encrypted_faults;
mod encryption;
mod event_model;
mod event_order;
mod faults;
mod fax_attacked;
mod fax_confirmed;
mod fax_door;
mod fax_files_attacked;
mod fax_forms;
mod fax_names;
mod fax_pages;
mod fax_pages_attacked;
mod fax_paper;
mod fax_reading;
mod fax_real;
mod fax_reports;
mod fax_stage;
mod faxes_in_rooms;
mod faxes_read;
mod federation;
mod foreign_rooms;
mod fuzz;
mod given_up;
mod golden;
mod heard;
mod house;
mod html;
mod keys_lost;
mod kim_samples;
mod kim_sending;
mod large_files;
mod layers;
mod letters;
mod loops;
mod mailboxes;
mod migrations;
mod moves;
mod nodes;
mod notices;
mod peers;
mod phrases;
mod portals;
mod proxy;
mod purged;
mod receipts;
mod renaming;
mod reports;
mod reports_attacked;
mod reports_read;
mod restored;
mod rights;
mod sandbox;
mod sealing;
mod secrecy;
mod stage;
mod starting;
mod statuses;
mod store;
mod structure;
mod taken_back;
mod takeover;
mod threading;
mod ti_messenger;
mod tray;
mod virus_scanner;
mod words_kept;
