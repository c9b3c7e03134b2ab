"""From checked text to functions of tensors."""
