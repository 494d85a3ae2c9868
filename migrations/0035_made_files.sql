-- Pages of a fax are shown: a post may be what is made of a file (FAX-19). Null: the file itself. 0: one PDF of
-- all of its pages. Any other number: a picture of that page.
alter table posts add column made int
    check (made is null or (made >= 0 and file_index >= 0 and letter_id is not null));
