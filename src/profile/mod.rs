//! What a user keeps on disk: identity, known keys, invites, settings.
