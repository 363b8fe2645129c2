"""The made-up news world behind the bundled sample: its headlines, pictures and readers."""
