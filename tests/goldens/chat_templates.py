"""Prompts that Python's Jinja, as transformers sets it up, makes of templates of common kinds."""

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

import reference

# Written for this file; each has the constructs of one family of published templates.
TEMPLATES = {
    "chatml with a default system message": (
        "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
        "{{ '<|im_start|>system\nBe brief.<|im_end|>\n' }}{% endif %}"
        "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    ),
    "headers, BOS and trim": (
        "{% set loop_messages = messages %}{% for message in loop_messages %}"
        "{% set content = '<|start|>' + message['role'] + '<|end|>\n\n' + message['content'] | trim + '<|eot|>' %}"
        "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|start|>assistant<|end|>\n\n' }}{% endif %}"
    ),
    "roles renamed, exceptions": (
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system role') }}{% endif %}"
        "{% for message in messages %}"
        "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('Roles must alternate') }}{% endif %}"
        "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}"
        "{{ '<turn>' + role + '\n' + message['content'] | trim + '</turn>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{'<turn>model\n'}}{% endif %}"
    ),
    "namespace, strip, whitespace control": """{{- bos_token }}
{%- set ns = namespace(system='Be kind.', count=0) %}
{%- for message in messages %}
    {%- if message.role == 'system' %}
        {%- set ns.system = message.content.strip() %}
    {%- elif message.role == "user" %}
        {%- set ns.count = ns.count + 1 %}
        {{- "[INST] " ~ (ns.system ~ "\n\n" if ns.count == 1 and ns.system else "") ~ message.content.strip() ~ " [/INST]" }}
    {%- elif message.role == 'assistant' %}
        {{- " " ~ message.content.strip() ~ eos_token }}
    {%- endif %}
{%- endfor %}
""",
    "tools and dates that are not given": """{%- if tools is defined and tools %}
{{- 'Tools: ' ~ tools | tojson ~ '\n' }}
{%- endif %}
{%- if not date_string is defined %}
    {%- set date_string = "26 Jul 2024" %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|system|>\nToday: " + date_string + "\n" + system_message + "</s>\n" }}
{%- for message in messages if message['content'] is string and message['content'] | length > 0 %}
    {{- '<|' + message['role'] + '|>\n' + message['content'] + '</s>\n' }}
{%- endfor %}
{%- if add_generation_prompt and messages[-1]['role'] == 'user' %}
    {{- '<|assistant|>\n' }}
{%- endif %}
""",
    "only the message": "{{ messages[0]['content'] }}",
    "lines that are only blocks": """{% for message in messages %}
    {% if message['role'] in ['user', 'human'] %}
### User:
{{ message['content'] }}

    {% endif %}
{% endfor %}
{% if add_generation_prompt %}
### Assistant:
{% endif %}""",
}

MESSAGES = ["Hello.", "  spaces around\n", "two\n\nparagraphs", "{{ 7 * 7 }} {% raw %}", "quotes ' \" \\ & <b>", "ünï 猫 🐱"]


def render(template, message, bos_token, eos_token):
    """The chat with one message of the user, up to where the answer begins."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.BPE(vocab={bos_token: 0, eos_token: 1}, merges=[])),
        bos_token=bos_token,
        eos_token=eos_token,
    )
    messages = [{"role": "user", "content": message}]
    return tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, add_generation_prompt=True)


def make(path):
    entries = [
        dict(name=name, message=message, text=render(template, message, "<s>", "</s>"))
        for name, template in TEMPLATES.items()
        for message in MESSAGES
    ]
    reference.write_json(path, dict(bos_token="<s>", eos_token="</s>", templates=TEMPLATES, prompts=entries))
