"""One depth of a model for another runtime: stock fairseq, CTranslate2."""
