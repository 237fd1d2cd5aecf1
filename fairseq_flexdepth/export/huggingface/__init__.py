"""One depth of a model as a folder that Hugging Face's ``transformers`` loads without this package."""
