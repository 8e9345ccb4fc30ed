"""The verbs: `configure` adds the options, `execute` calls the task and shows the report; nothing here thinks."""
