"""Export one depth of a model for another runtime; one file per target: stock fairseq, CTranslate2."""
