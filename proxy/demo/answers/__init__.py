"""What the providers behind the stand-in's gateway answer. Pure: a request's JSON and a seed in, bytes out.

`answer.py` the shape that every answer has · `seeds.py` where ids, words and numbers come from · `tools.py`
arguments for a tool call · `chat.py` chat completions and completions · `responses.py` OpenAI's Responses ·
`messages.py` Anthropic · `plain.py` embeddings, models, images, moderations, files, speech.
"""
