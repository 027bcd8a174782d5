"""Collections as models, used by Ollama's, OpenAI's, Anthropic's and LangChain's own clients."""

import json

import anthropic
import httpx
import ollama
import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_ollama import ChatOllama

from tests.app.conftest import settings_at
from tests.live.conftest import finished

pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

BAY, LIBRARY = "kb/bay", "kb/我的 文档"
FILES = {
    "bay": {
        "harbour.md": "# The harbour of Quarrel Bay\n\nThe harbour of Quarrel Bay opened in 1931. "
        "Its lighthouse is 42.5 metres tall. The harbour master is Ada Finch.\n",
        "tesla.md": "# Nikola Tesla\n\nNikola Tesla was born in the village of Smiljan in 1856. "
        "His father Milutin was a priest.\n",
    },
    "我的 文档": {
        "线路.md": "# 上海轨道交通16号线\n\n上海轨道交通16号线于2013年12月29日开通。"
        "全线长度为59.3公里，共有13座车站。\n",
    },
}
TALL = "How tall is the lighthouse of Quarrel Bay?"
OPENED = "上海轨道交通16号线于哪天开通？"
UNKNOWN = "Which enzyme splits lactose in the gut?"
SOURCE = "harbour.md"


@pytest.fixture(scope="module")
def url(starter_models, tmp_path_factory):
    from app.compose import compose
    from app.server import bind, build_app, running

    settings = settings_at(tmp_path_factory.mktemp("home"), starter_models)
    with (
        compose(settings, lambda _: None) as parts,
        running(build_app(parts, has_ui=False), bind("127.0.0.1", 0)) as url,
        httpx.Client(base_url=url, timeout=120) as client,
    ):
        for collection, files in FILES.items():
            parts_ = [("files", (name, text.encode())) for name, text in files.items()]
            sent = client.post("/kb/documents", files=parts_, data={"collection": collection})
            assert finished(client, sent.json()["job_id"])["state"] == "done"
        yield url


@pytest.fixture
def native(url):
    client = ollama.Client(host=url)
    yield client
    client._client.close()


@pytest.fixture
def gpt(url):
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        yield client


def asks(text):
    return [{"role": "user", "content": text}]


def alike(first, second):
    """Tell whether two answers say and cite the same.

    The words may differ where two tokens are about as likely ("metres", "meters"): the second
    answer takes over the first one's prefix, and sums in another order round otherwise.
    """
    return (
        all(one.count("42.5") == 1 and one.count("[1]") == 2 for one in (first, second))
        and first.partition("\n\nSources:")[2] == second.partition("\n\nSources:")[2]
    )


def spans(url, citations):
    """Read what the citations point at."""
    texts = {
        one["document_id"]: httpx.get(f"{url}/kb/documents/{one['document_id']}/text").json()
        for one in citations
    }
    return [texts[one["document_id"]]["text"][one["start"] : one["end"]] for one in citations]


def test_ollama_lists_and_describes_collections(native):
    names = {one.model for one in native.list().models}
    shown = native.show(LIBRARY)

    assert {"kb/bay:latest", "kb/我的 文档:latest", "kb/default:latest"} < names
    assert shown.capabilities == ["completion"]
    assert shown.modelinfo["knowledge-base.documents"] == 1


def test_ollama_chats_and_streams_the_same_answer(native):
    whole = native.chat(BAY, asks(TALL))
    parts = list(native.chat("kb/bay:latest", asks(TALL), stream=True))

    streamed = "".join(part.message.content for part in parts)
    assert alike(whole.message.content, streamed)
    assert "42.5" in streamed
    assert "[1]" in streamed
    assert "\n\nSources:\n- [1]" in streamed
    assert SOURCE in streamed
    assert parts[-1].done_reason == whole.done_reason == "stop"


def test_ollama_gets_a_chinese_answer_to_a_chinese_question(native):
    reply = native.chat(LIBRARY, asks(OPENED))

    assert "2013年12月29日" in reply.message.content
    assert "\n\n来源：\n- [1] 上海轨道交通16号线，线路.md" in reply.message.content


def test_ollama_is_refused_what_is_not_in_the_documents(native):
    reply = native.chat(BAY, asks(UNKNOWN))

    assert "No answer to this question was found in the collection" in reply.message.content
    assert "Sources:" not in reply.message.content


def test_ollama_generates_from_a_prompt(native):
    assert "42.5" in native.generate(BAY, TALL).response


def test_the_native_answer_has_citations_that_are_slices_of_the_documents(url):
    asked = {"model": BAY, "messages": asks(TALL)}
    whole = httpx.post(f"{url}/api/chat", json=asked | {"stream": False}, timeout=60).json()
    lines = httpx.post(f"{url}/api/chat", json=asked, timeout=60).text.splitlines()
    last = json.loads(lines[-1])

    assert last["citations"] == whole["citations"] != []
    assert spans(url, last["citations"]) == [one["text"] for one in last["citations"]]
    assert any("42.5" in one["text"] for one in last["citations"])
    assert last["mode"] in ("generated", "extractive")
    assert {one["support"] for one in last["sentences"]} == {"supported"}


def test_openai_lists_collections(gpt):
    assert {BAY, LIBRARY, "kb/default"} < {one.id for one in gpt.models.list()}
    assert gpt.models.retrieve("kb/bay").id == BAY


def test_openai_completes_with_citations_and_annotations(gpt, url):
    reply = gpt.chat.completions.create(model=BAY, messages=asks(TALL))

    message = reply.choices[0].message
    assert "42.5" in message.content
    assert message.citations == reply.citations
    assert spans(url, reply.citations) == [one["text"] for one in reply.citations]
    mark = message.annotations[0]
    assert mark.type == "url_citation"
    place = mark.url_citation
    assert message.content[place.start_index : place.end_index] == "[1]"
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


def test_openai_streams_text_and_citations_in_the_last_chunk(gpt):
    whole = gpt.chat.completions.create(model=BAY, messages=asks(TALL))
    chunks = list(gpt.chat.completions.create(model=BAY, messages=asks(TALL), stream=True))

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert alike(text, whole.choices[0].message.content)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert chunks[-1].citations == whole.citations
    assert chunks[-1].choices[0].delta.annotations
    assert not any(hasattr(chunk, "citations") for chunk in chunks[:-1])


def test_openai_leaves_the_sources_out_of_the_text_if_asked_to(gpt):
    options = {"options": {"kb_sources": False}}
    reply = gpt.chat.completions.create(model=BAY, messages=asks(TALL), extra_body=options)

    assert "Sources:" not in reply.choices[0].message.content
    assert reply.citations


def test_openai_gets_its_own_errors(gpt):
    with pytest.raises(openai.NotFoundError, match="model 'kb/nothing' not found"):
        gpt.chat.completions.create(model="kb/nothing", messages=asks(TALL))
    with pytest.raises(openai.BadRequestError, match="the question is empty"):
        gpt.chat.completions.create(model=BAY, messages=asks(" "))
    with pytest.raises(openai.BadRequestError, match="can only chat"):
        gpt.embeddings.create(model=BAY, input="a")


def test_openais_newer_interface_reads_the_sources_as_annotations(gpt):
    with gpt.responses.stream(model=BAY, input=TALL) as stream:
        for _ in stream:
            pass
        final = stream.get_final_response()

    assert "42.5" in final.output_text
    assert final.output[0].content[0].annotations[0].type == "url_citation"


def test_anthropic_reads_the_text(url):
    with anthropic.Anthropic(base_url=url, api_key="none", max_retries=0) as claude:
        reply = claude.messages.create(model=BAY, max_tokens=200, messages=asks(TALL))

    assert "42.5" in reply.content[0].text


def test_langchain_chats_with_history_and_streams(url):
    model = ChatOllama(model=BAY, base_url=url, validate_model_on_init=True)
    first = model.invoke([HumanMessage(TALL)])
    talk = [
        HumanMessage(TALL),
        AIMessage(first.content),
        HumanMessage("Who is its harbour master?"),
    ]

    second = "".join(part.content for part in model.stream(talk))
    model._client._client.close()

    assert "42.5" in first.content
    assert "Ada Finch" in second
    assert second.count("Sources:") == 1
    assert first.response_metadata["done_reason"] == "stop"


def test_a_title_that_open_webui_asks_for_is_the_first_question(native):
    task = (
        "### Task:\nGenerate a concise, 3-5 word title.\n### Output:\n"
        'JSON format: { "title": "your concise title here" }\n### Chat History:\n<chat_history>\n'
        f"USER: {TALL}\nASSISTANT: It is 42.5 metres tall.\n</chat_history>"
    )

    assert json.loads(native.chat(BAY, asks(task)).message.content) == {"title": TALL}


def test_a_collection_comes_and_goes_with_its_model(native, url):
    with httpx.Client(base_url=url, timeout=60) as client:
        assert client.post("/kb/collections", json={"name": "brief"}).status_code < 300
        assert "no documents" in native.chat("kb/brief", asks(TALL)).message.content
        with pytest.raises(ollama.ResponseError, match="DELETE /kb/collections/brief") as refused:
            native.delete("kb/brief")
        assert refused.value.status_code == 400
        assert client.delete("/kb/collections/brief").status_code == 200
    with pytest.raises(ollama.ResponseError, match="model 'kb/brief' not found") as gone:
        native.chat("kb/brief", asks(TALL))

    assert gone.value.status_code == 404
    assert "kb/brief:latest" not in {one.model for one in native.list().models}


def test_collections_are_no_models_where_that_is_turned_off(starter_models, tmp_path):
    from app.compose import compose

    settings = settings_at(tmp_path / "home", starter_models, QUIRE_KB_MODELS="0")
    with compose(settings, lambda _: None) as parts:
        assert parts.engine.virtual is None
