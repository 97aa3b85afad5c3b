"""Turn networks of other formats into ONNX files that the engines read."""
