"""``symc.misc``: small helpers that old code imports from here."""
