"""What theory predicts, as results: beside runs, or a plane of endpoints without any."""
