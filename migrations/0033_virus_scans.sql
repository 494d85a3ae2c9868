-- What a virus scanner says of a letter (KIM-20): a row for the mail as it came, and one for each of its
-- files. A letter without a row was not scanned.
create table virus_scans (
    letter_id  bigint not null references letters on delete cascade,
    -- -1: the whole mail.
    file_index int not null check (file_index >= -1),
    result     text not null check (result in ('clean', 'infected', 'too_large')),
    -- What the scanner calls the virus, in letters, digits and a few signs.
    virus      text check ((virus is not null) = (result = 'infected')),
    scanned_at timestamptz not null,
    primary key (letter_id, file_index)
);

-- The scanner is a third thing that a channel needs.
alter table account_troubles drop constraint account_troubles_side_check;
alter table account_troubles add constraint account_troubles_side_check
    check (side in ('inbox', 'outbox', 'scanner'));
