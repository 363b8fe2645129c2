"""What a publisher would otherwise run: each peer fits on clicks and gives scores for histories, or ranks lists."""
