"""The whole library with processes that load for it."""

from tests.fakes import count_tokens

HTML = "<html><body><h1>{0}</h1>" + "<p>" + "{0} words " * 40 + "</p></body></html>"


def test_a_folder_is_ingested_by_loading_processes_and_its_bad_files_can_be_retried(
    open_kb, tmp_path
):
    folder = tmp_path / "folder"
    folder.mkdir()
    for n in range(12):
        (folder / f"{n}.html").write_text(HTML.format(f"page{n}"))
    (folder / "note.md").write_text("# Note\n\ngreen tea")
    (folder / "bad.pdf").write_bytes(b"%PDF-1.4 no more")
    kb = open_kb(load=None, n_workers=1)

    job = kb.wait(kb.sync(folder, "default"), 60)

    assert (job.state, job.n_stored, job.n_done) == ("done", 13, 14)
    assert [error.path for error in job.errors] == ["bad.pdf"]
    assert count_tokens([kb.lexical("default", "page7", 1)[0].text])[0] > 40
    (folder / "bad.pdf").unlink()
    again = kb.wait(kb.retry(job.id).id, 20)
    assert (again.state, again.errors) == ("done", ())


def test_progress_tells_pace_and_end(open_kb, model):
    seen = []

    def embed(texts, is_query):
        seen.append(kb.jobs()[0])
        return model.embed(texts, is_query)

    kb = open_kb(model.embedder(embed=embed))
    kb.wait(kb.submit("default", [(f"{n}.txt", f"text {n}".encode()) for n in range(4)]), 20)

    assert seen[0].eta_s is None
    assert seen[-1].passages_per_s > 0
    assert seen[-1].bytes_per_s > 0
    assert seen[-1].eta_s >= 0
    assert kb.jobs()[0].eta_s is None
