import json

import pytest

from textune.registry import kinds
from textune.testing.data import DataContract, SplitContract, TokenizerContract

TABLE = [("fine", "good", "2024-05-01", 1), ("so so", "bad", "2024-05-02", 1), ("dull", "bad", "2024-06-01", 2)]
ROWS = [
    (f"{text} {number}", label, date, group + 3 * number) for number in range(12) for text, label, date, group in TABLE
]
FILES = {
    "files.jsonl": "".join(
        json.dumps({"text": text, "label": label, "date": date, "group": group}) + "\n"
        for text, label, date, group in [*ROWS, ("", "good", "2024-01-01", 99)]
    ),
    "sst/train.txt": "(4 (2 It) (4 (2 is) (3 good)))\n(0 (2 not) (3 good))\n" * 12,
    "sst/dev.txt": "(0 Bad)\n",
    "sst/test.txt": "(4 Fine)\n",
    "hub/train.jsonl": "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label, *_ in ROWS),
    **{f"imdb/train/neg/{number}_1.txt": f"Dire {number}" for number in range(12)},
    **{f"imdb/train/pos/{number}_9.txt": f"Great {number}" for number in range(12)},
    "imdb/test/neg/0_2.txt": "Meh",
    "imdb/test/pos/0_10.txt": "Superb",
}
SETTINGS = {
    "files": {"path": "files.jsonl", "date": "date", "group": "group"},
    "hub": {"path": "hub"},
    "synthetic": {"rows": 60},
}


class TestEveryDataKind(DataContract):
    @pytest.fixture(params=kinds("data"))
    def config(self, request):
        return kinds("data")[request.param](**SETTINGS.get(request.param, {}))

    @pytest.fixture
    def folders(self, tmp_path):
        for name, content in FILES.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return (tmp_path,)


class TestEverySplit(SplitContract):
    @pytest.fixture(params=kinds("split"))
    def config(self, request):
        few_rows_a_month = {"rolling": {"train_months": 8, "valid_months": 4, "ranges": 3}}
        return kinds("split")[request.param](**few_rows_a_month.get(request.param, {}))


class TestEveryTokenizer(TokenizerContract):
    @pytest.fixture(params=sorted(kinds("tokenizer").keys() - {"pretrained"}))
    def config(self, request):
        return kinds("tokenizer")[request.param]()


class TestPretrained(TokenizerContract):
    @pytest.fixture(params=["bert", "roberta"])
    def config(self, request, checkpoints):
        return kinds("tokenizer")["pretrained"](model=str(checkpoints[request.param]))

    test_the_vocabulary_begins_with_the_special_tokens_and_has_each_once = None  # it is the model's
    test_nothing_is_learned_of_rows_that_do_not_train = None
