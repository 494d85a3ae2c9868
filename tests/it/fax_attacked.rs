//! Faxes and mails of a fax gateway that somebody made to be read as something else, and rooms that must not be
//! told what is not so.

mod reads;
mod rooms;
