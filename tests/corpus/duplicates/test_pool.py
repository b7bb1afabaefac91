"""Documents come back from the pool in the order of the draw, whichever tasks wrote them."""

from datatrove.data import Document
from datatrove.pipeline.writers import JsonlWriter

from multipl_moe.corpus.duplicates.pool import PoolOrder, PoolReader, write_index
from multipl_moe.corpus.read.candidates import draw_order

SEED = 1
TEXT = "x = 'a\r\n\u2028b\ud7ff' \n"


def write(folder, order: PoolOrder, paths: dict[str, list[str]]) -> None:
    for number, (language, names) in enumerate(paths.items()):
        for part, task in enumerate(order.tasks(number)):
            mine = [path for path in names if draw_order(SEED, path) % order.num_parts == part]
            documents = (
                Document(TEXT + path, path, metadata={"path": path, "language": language})
                for path in sorted(mine, key=lambda path: draw_order(SEED, path))
            )
            indexed = write_index(folder / "index", documents, task)
            list(JsonlWriter(str(folder / "pool"), compression=None).run(indexed, task))


def test_parts_of_a_language_are_merged_and_a_part_without_documents_is_no_hindrance(tmp_path):
    paths = {"go": [f"{number}.go" for number in range(20)], "ruby": ["a.rb"]}
    order = PoolOrder(SEED, 2, 3)
    write(tmp_path, order, paths)
    for number, names in enumerate(paths.values()):
        reader = PoolReader(tmp_path / "pool", order, by_language=True)
        read = list(reader.run(rank=number, world_size=2))
        assert [document.id for document in read] == sorted(names, key=lambda path: draw_order(SEED, path))
        assert [document.text for document in read] == [TEXT + document.id for document in read]
    one_by_one = [
        document.id
        for task in range(order.num_tasks)
        for document in PoolReader(tmp_path / "pool", order, by_language=False).run(rank=task, world_size=6)
    ]
    assert sorted(one_by_one) == sorted([*paths["go"], *paths["ruby"]])
