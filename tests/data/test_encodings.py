"""Files that are not UTF-8: the look at them finds what fits, and the error offers it."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textune.data import FilesConfig
from textune.data.encodings import CANDIDATES, look
from textune.errors import DataError

TEXTS = {
    "cp1252": "Das Zimmer war schön, das Frühstück köstlich.\nI won’t go — it costs £5\nLe café était très bon\n",
    "cp1250": "Pokój był czysty, obsługa świetna, śniadanie złe.\nZażółć gęślą jaźń\n",
    "cp1251": "Номер был чистый, очень хороший отель.\nЗавтрак плохой.\n",
    "koi8_r": "Номер был чистый, очень хороший отель.\nЗавтрак плохой.\n",
    "gb18030": "房间很干净，服务也很好。\n早餐不好吃，太贵了。\n",
    "big5": "房間很乾淨，服務也很好。\n早餐不好吃，太貴了。\n",
    "cp932": "部屋はとてもきれいで、サービスも良かったです。\n朝食は悪い。\n",
    "euc_jp": "部屋はとてもきれいで、サービスも良かったです。\n朝食は悪い。\n",
    "cp949": "방이 깨끗하고 서비스가 좋았습니다.\n아침은 별로였어요.\n",
    "cp1253": "Το δωμάτιο ήταν καθαρό.\nΗ εξυπηρέτηση ήταν καλή.\n",
    "cp1254": "Oda çok temizdi, kahvaltı güzeldi.\nŞehir merkezine yakın, ağaçlı.\n",
    "cp1255": "החדר היה נקי מאוד והמיקום מצוין, ליד הים.\nהשירות היה טוב וארוחת הבוקר טעימה מאוד, נחזור שוב.\n",
    "cp1256": "الغرفة كانت نظيفة\nوالخدمة جيدة\n",
    "cp874": "ห้องสะอาดและบริการดี\nอาหารไม่ดี\n",
    "utf-16-le": "Das Zimmer war schön\nBad\n",
    "utf-16-be": "Das Zimmer war schön\nBad\n",
    "utf-8": "schön 很好\n",
}


@pytest.mark.parametrize("encoding", TEXTS)
def test_of_a_few_lines_tells_the_encoding(encoding):
    text = "".join(f"{number},{line}\n" for number, line in enumerate((TEXTS[encoding] * 4).splitlines()))
    for content in (text, TEXTS[encoding]):
        assert look(io.BytesIO(content.encode(encoding))).encodings[0] == encoding


@pytest.mark.parametrize(("encoding", "found"), [("utf-16", "utf-16"), ("utf-32", "utf-32"), ("utf-8-sig", "utf-8")])
def test_of_a_file_with_a_mark_believes_it(encoding, found):
    assert look(io.BytesIO("schön\n".encode(encoding))).encodings == (found,)


@given(st.sampled_from([*CANDIDATES, "utf-16"]), st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_offers_what_decodes_all_lines_or_says_how_many_it_does_not(encoding, text):
    content = text.encode(encoding, errors="ignore")
    seen = look(io.BytesIO(content))
    lines = content.splitlines(keepends=True) if seen.num_lines else [content]
    undecodable = 0
    for line in io.BytesIO(content) if seen.num_lines else lines:
        try:
            line.decode(seen.encodings[0])
        except UnicodeError:
            undecodable += 1
    assert undecodable == seen.num_bad or not seen.num_lines


def test_of_utf8_with_a_few_other_bytes_does_not_take_it_for_something_else():
    content = ("schön und groß\n" * 50).encode() + b"caf\xe9\n"
    seen = look(io.BytesIO(content))
    assert (seen.encodings, seen.num_not_utf8, seen.num_lines) == (("utf-8",), 1, 51)


class TestTheError:
    def refused(self, folder, content, **settings):
        (folder / "x.csv").write_bytes(b"text,label\n" + content)
        with pytest.raises(DataError) as error:
            FilesConfig(path="x.csv", **settings).load([folder], 0)
        return str(error.value)

    def test_offers_cp1252_only_where_it_decodes(self, tmp_path):
        said = self.refused(tmp_path, "schön,pos\nfine,neg\nöde,neg\n".encode("cp1252"))
        assert "line 2 is not utf-8: byte 0xf6 at offset 14; set data.encoding to cp1252, or " in said
        assert "set data.encoding_errors to replace, which changes 2 of 4 lines; " in said
        said = self.refused(tmp_path, TEXTS["cp932"].replace("\n", ",x\n").encode("cp932"))
        assert "set data.encoding to cp932, or" in said
        assert "cp1252" not in said.partition("x.csv, line")[2]

    def test_offers_gbk_and_utf16(self, tmp_path):
        said = self.refused(tmp_path, TEXTS["gb18030"].replace("\n", ",x\n").encode("gbk"))
        assert "set data.encoding to gb18030, or" in said
        (tmp_path / "x.csv").write_bytes("text,label\na,b\n".encode("utf-16"))
        with pytest.raises(DataError, match=r"set data.encoding to utf-16, or"):
            FilesConfig(path="x.csv").load([tmp_path], 0)

    def test_offers_to_replace_what_is_damaged(self, tmp_path):
        said = self.refused(tmp_path, ("schön,pos\n" * 9 + "öde,neg\n").encode() + b"caf\xe9,pos\n")
        assert said.endswith("offset 122; set data.encoding_errors to replace, which changes 1 of 12 lines")

    def test_of_another_encoding_offers_utf8(self, tmp_path):
        said = self.refused(tmp_path, "schön \x81,pos\n".encode(), encoding="cp1252")
        assert "line 2 is not cp1252: byte 0x81" in said
        assert "set data.encoding to utf-8, or" in said
        assert "byte-order" in (said := self.refused(tmp_path, b"a,b\n", encoding="utf-16")) or "BOM" in said
        assert "set data.encoding to utf-8, or" in said

    def test_of_a_file_larger_than_it_may_be_still_names_the_byte(self, tmp_path):
        said = self.refused(tmp_path, b"sch\xf6n,pos\n" + b"a,b\n" * 1_000_000, max_bytes=2_000_000)
        assert "byte 0xf6 at offset 14; set data.encoding to cp1252" in said
