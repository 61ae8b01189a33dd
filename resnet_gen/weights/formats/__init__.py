"""Files of weights, a module a format: safetensors, NumPy's .npz and PyTorch's, read as what anybody may have made."""
