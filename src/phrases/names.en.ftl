# What rooms are told of the names of fax numbers.

name-set = The number { $number } is called “{ $name }” here from now on. The name stands above its faxes in a moment, and the number always with it. !name without a name removes it again.
name-from-book = The name that was given here is removed. The number { $number } is called “{ $name }” again, as in the address book.
name-undone = The name that was given here is removed; above the faxes stands the number { $number } alone again.
name-refused = This name was not set: it could be taken for a number or an address, or it has invisible characters. Please choose a name with at most four digits, without @ and without an internet address.
name-no-number = No name can be set here: these faxes came without a number and may be from different senders.
name-only-fax = No name can be set here: only fax numbers have one. With KIM the name is the one that senders give in their letters.
command-name = sets a name for the fax number of this room; without a name it is removed again
fax-subaddress = The subaddress { $subaddress } was dialled.
