"""Floor 1: the typed expression graph; knows neither tensors nor C nor devices."""
