"""Tiny pretrained models with random weights, in the folders that the transformers library reads."""

import json
import logging

import torch

TEXTS = ("a good room and good food", "bad bad it is dull", "It isn't bad -- it's GREAT!!! 10/10", "a film of 2 rooms")
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
DISTILBERT = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48}
BERT_TOKENS = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]"}
FAMILIES = {
    "bert": (SIZES, BERT_TOKENS),
    "distilbert": (DISTILBERT, BERT_TOKENS),
    "electra": ({**SIZES, "embedding_size": 16}, BERT_TOKENS),
    "roberta": (SIZES, {"cls": "<s>", "pad": "<pad>", "sep": "</s>", "unk": "<unk>"}),
}
"""What their configs call the sizes, and their special tokens by id; padding is 1 for RoBERTa."""


def make(folder, family):
    """Writes config.json, model.safetensors and tokenizer.json, which cuts and pads as published ones do."""
    import tokenizers
    import transformers

    sizes, special = FAMILIES[family]
    names = list(special.values())
    library = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token=special["unk"]))
    library.normalizer = tokenizers.normalizers.BertNormalizer()
    library.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    library.train_from_iterator(
        TEXTS, tokenizers.trainers.WordPieceTrainer(vocab_size=90, special_tokens=names, show_progress=False)
    )
    cls, sep = special["cls"], special["sep"]
    library.post_processor = tokenizers.processors.TemplateProcessing(
        single=f"{cls} $A {sep}", special_tokens=[(name, library.token_to_id(name)) for name in (cls, sep)]
    )
    padding = library.token_to_id(special["pad"])
    library.enable_truncation(8)
    library.enable_padding(length=8, pad_id=padding, pad_token=special["pad"])
    library.save(str(folder / "tokenizer.json"))
    config = transformers.AutoConfig.for_model(
        family, vocab_size=90, max_position_embeddings=64, pad_token_id=padding, **sizes
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = transformers.AutoModel.from_config(config)
        for weight in model.parameters():  # larger than first weights are, so that every text gets another vector
            weight.data.add_(torch.randn_like(weight) * 0.1)
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    model.save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["model_type"] == family
    return folder
