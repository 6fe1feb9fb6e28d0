"""Model clients behind one method: a thin one for OpenAI-style endpoints, any LangChain chat model, recorded replies.

Called by the agents alone. A model endpoint is a sink: nothing of Deputy's own rides along, and class decides what may go where.
"""
