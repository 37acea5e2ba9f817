"""Tags of a catalogue: words that shoppers may tap, made offline, searched online."""
