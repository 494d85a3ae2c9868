
# Who may do something, and what takes two.
rights-only-these = Nothing happened: on this channel only { $members } may do that. Please ask one of them.
rights-another-for-fax = The fax was not sent yet: on this channel a second person releases it. Please let another member of the team check the preview, and confirm it with ✅ or !fax.
rights-release-asked = { $member } wants to release this letter. On this channel that takes two persons: when a second one answers the same warning with !release, it is shown.
