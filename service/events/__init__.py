"""Server-sent events, long polls and the change stream behind them."""
